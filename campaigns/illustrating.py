"""What a drafted rulebook would give each tier: per cent of spend, and a receipt worked out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from django.utils.translation import gettext as _

from campaigns import words
from campaigns.earning import NO_CATEGORY, Earning, Facts, Judgement, Line, judge
from common.localized import localized
from programme.policies import Rounding
from programme.words import ROUNDED

# Large enough that rounding does not show.
SPENT = Decimal(100_000)
# What a boost may ask that a tier's worth does not depend on.
ABOUT = ("tiers", "categories", "products")


@dataclass(frozen=True, slots=True)
class Tier:
    """`code` is None in a programme without tiers."""

    code: str | None
    name: str
    color: str


@dataclass(frozen=True, slots=True)
class Cell:
    """Per cent of what is spent; `width`: of the widest bar, 0 to 100."""

    tier: Tier
    percent: str
    width: int


@dataclass(frozen=True, slots=True)
class Row:
    """What is spent on one category, or with one boost. `gives`: of the boost, in words."""

    name: str
    gives: str
    cells: Sequence[Cell]


@dataclass(frozen=True, slots=True)
class Receipt:
    """`steps`: what gave points, how, and how many exactly."""

    tier: Tier
    steps: Sequence[tuple[str, str, str]]
    rounded: str
    points: int
    worth: Decimal
    percent: str


def tiers(document: dict[str, Any]) -> list[Tier]:
    levels = document.get("tiers", {}).get("levels", [])
    found = [Tier(each["code"], localized(each["names"]), each["color"]) for each in levels]
    return found or [Tier(None, _("Every member"), document["programme"]["color"])]


def categories(document: dict[str, Any]) -> list[str]:
    """Those the rules name."""
    named = (rule["categories"] for rule in document["earning"]["rules"])
    return list(dict.fromkeys(category for each in named for category in each))


def effective(document: dict[str, Any]) -> list[Row]:
    """Per cent of spend: by the rules for each category, then with each boost by itself."""
    rules = document["earning"]["rules"]
    plain = Earning.of({"rules": rules})
    shares: list[tuple[str, str, list[Fraction]]] = [
        (
            category or _("Without a category"),
            "",
            [_share(document, plain, tier, Line("1", category, SPENT)) for tier in tiers(document)],
        )
        for category in (NO_CATEGORY, *categories(document))
    ]
    for boost in document["earning"].get("boosts", []):
        if "points" in boost["gives"]:
            continue  # no share of what is spent
        when = {name: asked for name, asked in boost["when"].items() if name in ABOUT}
        boosted = Earning.of({"rules": rules, "boosts": [{**boost, "when": when}]})
        category = next(iter(when.get("categories", ())), NO_CATEGORY)
        bought = Line("1", category, SPENT, next(iter(when.get("products", ())), ""))
        of_tiers = [_share(document, boosted, tier, bought) for tier in tiers(document)]
        shares.append((localized(boost["names"]), words.gives(boost["gives"]), of_tiers))
    widest = max((each for _name, _gives, of_tiers in shares for each in of_tiers), default=0)
    return [
        Row(
            name,
            gives,
            [
                Cell(tier, _percent(share), round(100 * share / widest) if widest else 0)
                for tier, share in zip(tiers(document), of_tiers, strict=True)
            ],
        )
        for name, gives, of_tiers in shares
    ]


def receipts(document: dict[str, Any], *, amount: Decimal, category: str) -> list[Receipt]:
    """One purchase of one line on the version's first day, worked out for each tier."""
    plans = document.get("campaigns", {}).get("plans", ())
    earning = Earning.of(document["earning"], plans)
    return [_receipt(document, earning, tier, amount, category) for tier in tiers(document)]


def _receipt(
    document: dict[str, Any], earning: Earning, tier: Tier, amount: Decimal, category: str
) -> Receipt:
    judged = _judged(document, earning, tier, Line("1", category, amount))
    told = judged.explanation
    named = {
        each["code"]: localized(each["names"])
        for part in ("rules", "boosts")
        for each in document["earning"].get(part, [])
    }
    rounding = document["policies"]["rounding"]
    worth = Fraction(judged.points, document["programme"]["points_per_currency_unit"])
    return Receipt(
        tier=tier,
        steps=[
            *(
                (
                    named[line["rule"]],
                    words.rate(Decimal(line["points"]), Decimal(line["per_amount"])),
                    line["exact"],
                )
                for line in told["lines"]
                if line["rule"]
            ),
            *(
                (named[boost["code"]], words.gives(boost), f"+{boost['exact']}")
                for boost in told.get("boosts", [])
            ),
        ],
        rounded=str(ROUNDED[rounding["mode"], rounding["per"]]),
        points=judged.points,
        worth=Decimal(worth.numerator) / Decimal(worth.denominator),
        percent=_percent(worth / Fraction(amount)),
    )


def _share(document: dict[str, Any], earning: Earning, tier: Tier, bought: Line) -> Fraction:
    """What the points are worth, of what is spent."""
    exact = sum(_judged(document, earning, tier, bought).exact, Fraction(0))
    return exact / document["programme"]["points_per_currency_unit"] / Fraction(SPENT)


def _judged(document: dict[str, Any], earning: Earning, tier: Tier, bought: Line) -> Judgement:
    return judge(
        rules=earning,
        rounding=Rounding(**document["policies"]["rounding"]),
        lines=[bought],
        version=0,
        facts=Facts(day=date.fromisoformat(document["valid_from"]), tier=tier.code),
    )


def _percent(share: Fraction) -> str:
    """0.0125 → 1.25"""
    return f"{float(share) * 100:.2f}".rstrip("0").rstrip(".")
