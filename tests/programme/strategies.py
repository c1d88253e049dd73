"""Any policies that make sense, as a programme file has them."""

from datetime import date

from hypothesis import strategies as st

from programme.policies import Validity
from programme.policies._validity import ACTIVITIES

UNTIL = st.sampled_from(["day", "month_end", "quarter_end", "year_end"])
CODES = st.from_regex(r"[a-z][a-z0-9-]{0,49}", fullmatch=True)
CATEGORIES = st.from_regex(r"[a-z][a-z0-9_-]{0,31}", fullmatch=True)
MONTHS = st.integers(1, 1200)
YEARS = st.integers(1, 100)
POINTS = st.integers(1, 1_000_000_000_000)


def text(least=1, most=30):
    """Whatever a page can show: no control characters, no half surrogate pairs."""
    characters = st.characters(exclude_categories=["Cs", "Cc"])
    return st.text(characters, min_size=least, max_size=most)


@st.composite
def policies(draw, *, valid_from):
    validity = draw(validities(valid_from))
    rule = Validity.parse(validity)
    days_max = min(366, rule.shortest_days()) if hasattr(rule, "shortest_days") else 366
    rounding = {
        "mode": st.sampled_from(["down", "half_up", "up"]),
        "per": st.sampled_from(["document", "line"]),
    }
    optional = {
        "clock": st.sampled_from(["earning", "activation"]),
        "vesting": vestings(days_max),
        "notices": notices(),
        "reinstatement_days": st.integers(0, 366),
        "holds": st.fixed_dictionaries({"minutes": st.integers(1, 10_080)}),
        "bills": st.fixed_dictionaries(
            {"share": st.integers(1, 100)},
            optional={
                "points_min": st.integers(1, 100),
                "points_max": st.integers(100, 10_000_000),
                "undo_minutes": st.integers(1, 1440),
            },
        ),
        "orders": st.fixed_dictionaries(
            {},
            optional={
                name: st.integers(1, 366)
                for name in (
                    "pick_days",
                    "send_days",
                    "collect_days",
                    "arrive_days",
                    "return_days",
                    "decide_days",
                )
            },
        ),
        "adjustment_limit": st.none() | st.just(0) | POINTS,
        "transfers": transfers(),
        "groups": groups(),
        "funding": fundings(),
        "product_identifiers": st.sampled_from(["any", "vin"]),
        "erasure_days": st.integers(0, 90),
        "joining": st.sampled_from(["open", "approved_by_brand", "approved_by_dealer"]),
        "application_days": st.integers(1, 366),
    }
    return draw(
        st.fixed_dictionaries(
            {
                "validity": st.just(validity),
                "rounding": st.fixed_dictionaries(rounding),
                "return_after_spending": st.sampled_from(["debt", "write_off", "refuse"]),
            },
            optional=optional,
        )
    )


def validities(valid_from):
    kinds = st.lists(st.sampled_from(ACTIVITIES), min_size=1, unique=True)
    days = st.dates(date(2024, 1, 1), date(2024, 12, 31))
    shapes = [
        st.fixed_dictionaries(
            {"months": MONTHS, "until": UNTIL},
            optional={"extra_months": st.dictionaries(CODES, MONTHS, min_size=1, max_size=4)},
        ),
        st.fixed_dictionaries({"date": st.dates(min_value=valid_from).map(date.isoformat)}),
        st.fixed_dictionaries({"day_of_year": days.map("{:%m-%d}".format), "years": YEARS}),
        st.fixed_dictionaries({"cycle_years": YEARS}),
        st.fixed_dictionaries(
            {"inactive_months": MONTHS, "until": UNTIL}, optional={"counts": kinds}
        ),
    ]
    return st.just("never") | st.one_of(shapes)


def vestings(days_max):
    waits = st.just({"event": True}) | st.fixed_dictionaries({"days": st.integers(0, days_max)})
    categories = st.dictionaries(CATEGORIES, waits, min_size=1, max_size=4)
    return waits | st.builds(lambda wait, own: wait | {"categories": own}, waits, categories)


def notices():
    leads = st.fixed_dictionaries({"months": st.integers(1, 12)}) | st.fixed_dictionaries(
        {"days": st.integers(1, 366)}
    )
    before = st.lists(leads, min_size=1, max_size=10, unique_by=lambda lead: tuple(lead.items()))
    return st.fixed_dictionaries(
        {},
        optional={
            "before": before,
            "required": st.booleans(),
            "extension_days": st.integers(1, 366),
        },
    )


def groups():
    roles = st.lists(st.sampled_from(["owner", "admin", "member"]), min_size=1, unique=True)
    terms = st.fixed_dictionaries({"members": st.integers(2, 1000)}, optional={"spenders": roles})
    return st.dictionaries(st.sampled_from(["family", "company"]), terms, min_size=1)


def transfers():
    days = st.integers(1, 366)
    count = st.integers(1, 1_000_000)
    limits = st.one_of(
        st.fixed_dictionaries({"days": days, "count": count}),
        st.fixed_dictionaries({"days": days, "points": POINTS}),
        st.fixed_dictionaries({"days": days, "count": count, "points": POINTS}),
    )
    return st.fixed_dictionaries(
        {"limits": st.lists(limits, min_size=1, max_size=10, unique_by=lambda limit: limit["days"])}
    )


@st.composite
def fundings(draw):
    """Cut 10,000 basis points at random places and name a payer for each piece."""
    cuts = sorted(draw(st.sets(st.integers(1, 9_999), max_size=5)))
    pieces = [end - start for start, end in zip([0, *cuts], [*cuts, 10_000], strict=True)]
    payers = st.just("brand") | st.just("store") | st.from_regex(r"[-\w]{1,50}", fullmatch=True)
    named = draw(
        st.lists(
            st.tuples(payers.filter(str.isascii), st.just("") | text(most=64)),
            min_size=len(pieces),
            max_size=len(pieces),
            unique=True,
        )
    )
    return [
        {"payer": payer, "share": f"{piece / 100:.2f}"} | ({"budget": budget} if budget else {})
        for piece, (payer, budget) in zip(pieces, named, strict=True)
    ]
