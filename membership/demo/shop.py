"""
What the club offers for points, drafted by one and approved by another: `shop.yaml` tells it,
`drawing` makes the pictures.
"""

from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml
from django.db import transaction
from django.utils import timezone

from benefits import approvals as listings
from benefits.models.coupons import CodesFrom, CouponBatch
from benefits.models.draws import Draw, PrizeKind
from benefits.models.items import Category, Handover, Item, ItemState, Listing
from benefits.operations import draws, items, stock
from benefits.operations.coupons import BatchDraft
from benefits.operations.item_pictures import keep_picture
from benefits.operations.items import Limit, Price, Shown, Terms
from common import approvals
from common.models import User
from membership.demo import drawing, treats
from partners.models import Organization, OrganizationKind, Store

ITEMS = Path(__file__).with_name("shop.yaml")
LANGUAGES = ("zh-hans", "zh-hant", "en")
CATEGORIES = {
    "car-care": ("养车服务", "養車服務", "Car care"),
    "accessories": ("车品配件", "車品配件", "Accessories"),
    "life": ("品牌好物", "品牌好物", "Brand goods"),
    "custom": ("专属定制", "專屬定製", "Made for you"),
    "partners": ("生活权益", "生活權益", "Partners"),
    "coupons": ("优惠券", "優惠券", "Coupons"),
    "draws": ("抽奖", "抽獎", "Prize draws"),
}
PARTNERS = {
    "YKTJ": "元康体检中心",
    "ZHYX": "知行研学",
    "YYLX": "远野旅行",
    "XAXC": "星安出行",
}
HOW = {
    Handover.SHIP: ("下单后 7 天内寄出。", "下單後 7 天內寄出。", "Sent within 7 days."),
    Handover.STORE: (
        "到店出示会员码即可使用或领取。",
        "到店出示會員碼即可使用或領取。",
        "Show your member code at a store.",
    ),
    Handover.ONLINE: (
        "兑换后立即到账，可在“我的”中查看。",
        "兌換後立即到帳，可在「我的」中查看。",
        "Yours at once, to be found among your things.",
    ),
}
REASON = "演示商品上架"
AMOUNTS = ("amount", "pays", "most", "minimum_spend")
# Of pieces that are collected, each of the first stores has some.
STORES, AT_A_STORE = 3, 5


def fill(*, today: date, writer: User, approver: User) -> int:
    """List what is not listed yet; return how many items there are."""
    told = yaml.safe_load(ITEMS.read_text())
    shelves = {
        code: Category.objects.get_or_create(
            code=code, defaults={"names": _by_language(names), "position": nth}
        )[0]
        for nth, (code, names) in enumerate(CATEGORIES.items())
    }
    partners = {code: _partner(code) for code in PARTNERS}
    gifts = _gifts(told, today=today, writer=writer, approver=approver)
    listed = set(Item.objects.values_list("code", flat=True))
    # The first stands in front: what is listed last is the newest.
    for each in reversed(told):
        if each["code"] not in listed:
            _list(each, shelves, partners, gifts, today=today, writer=writer, approver=approver)
    return len(told)


def _gifts(
    told: list[dict[str, Any]], *, today: date, writer: User, approver: User
) -> dict[str, dict[str, Any]]:
    """What items give by themselves, by the code of the item: `batch_id` or `draw_id`."""
    who: dict[str, Any] = {"writer": writer, "approver": approver, "at": timezone.now()}
    found: dict[str, dict[str, Any]] = {}
    for each in told:
        code = each["code"]
        if "coupon" in each:
            batch = CouponBatch.objects.filter(code=code).first()
            batch = batch or treats.running_batch(_batch(each, today), **who)
            found[code] = {"batch_id": batch.pk}
        elif "draw" in each:
            draw = Draw.objects.filter(code=code).first()
            draw = draw or treats.running_draw(code, _draw(each, today, found), **who)
            found[code] = {"draw_id": draw.pk}
    return found


def _batch(told: dict[str, Any], today: date) -> BatchDraft:
    said = dict(told["coupon"])
    numbers: dict[str, Any] = {name: Decimal(said.pop(name)) for name in AMOUNTS if name in said}
    return BatchDraft(
        code=told["code"],
        names=_by_language(told["names"]),
        description=_by_language(told["told"]),
        kind=said["kind"],
        item=_by_language(said["item"]) if "item" in said else {},
        categories=tuple(said.get("categories", ())),
        first_on=today,
        last_on=today + timedelta(days=365),
        good_days=90,
        total=said.get("total", 5_000),
        codes_from=CodesFrom.MEMBERS,
        **numbers,
    )


def _draw(told: dict[str, Any], today: date, gifts: dict[str, dict[str, Any]]) -> draws.Terms:
    """A draw by tickets alone, with a coupon among its prizes."""
    said = told["draw"]
    coupon = draws.Prize(
        names=_by_language(("维修 30 元券", "維修 30 元券", "30 yuan for repairs")),
        kind=PrizeKind.COUPON,
        batch_id=gifts["coupon-30"]["batch_id"],
        parts=100_000,
        pieces=50,
        cost=Decimal(28),
    )
    return draws.Terms(
        names=_by_language(told["names"]),
        description=_by_language(told["told"]),
        opens_at=_midnight(today),
        closes_at=_midnight(today + timedelta(days=said["days"])),
        needs_ticket=True,
        limit_count=said["times"],
        limit_period=said["per"],
        budget=Decimal(6_500),
        prizes=[*treats.PRIZES[:2], coupon, *treats.PRIZES[2:]],
    )


@transaction.atomic
def _list(
    told: dict[str, Any], shelves: dict[str, Category], partners: dict[str, Organization],
    gifts: dict[str, dict[str, Any]], *, today: date, writer: User, approver: User,
) -> None:  # fmt: skip
    at = timezone.now()
    picture = keep_picture(file=drawing.png(told["motif"], told["hue"]), by=writer, at=at)
    draft = items.create(
        code=told["code"],
        terms=Terms(
            names=_by_language(told["names"]),
            summary=_by_language(told["told"]),
            description=_by_language(
                [" ".join(HOW[Handover(how)][nth] for how in told["handovers"]) for nth in range(3)]
            ),
            source=told["source"],
            category_id=shelves[told["category"]].pk,
            partner_id=partners[told["partner"]].pk if "partner" in told else None,
            handovers=told["handovers"],
            prices=_prices(told),
            limits=[Limit(count, period) for period, count in told.get("limits", {}).items()],
            tiers=told.get("tiers", ()),
            cost=Decimal(told["cost"]),
            value=Decimal(told["value"]) if "value" in told else None,
            pictures=[Shown(picture.pk, _by_language(told["names"]))],
            **_window(told, today),
            **gifts.get(told["code"], {}),
        ),
        by=writer,
        at=at,
        is_counted="pieces" in told,
    )
    _receive(draft, told, by=writer, at=at)
    asked = listings.submit(
        listing_id=draft.pk,
        revision=draft.revision,
        at=at,
        reference=f"demo:{told['code']}",
        by=writer,
        reason=REASON,
    )
    approvals.approve(approval_id=asked.pk, by=approver, at=at)
    assert Item.objects.get(pk=draft.item_id).state == ItemState.LISTED


def _prices(told: dict[str, Any]) -> list[Price]:
    found = [Price(told["points"])]
    if "mix" in told:
        points, cash = told["mix"]
        found.append(Price(points, Decimal(cash)))
    tiers = told.get("tier_points", {})
    return [*found, *(Price(points, tier=tier) for tier, points in tiers.items())]


def _window(told: dict[str, Any], today: date) -> dict[str, Any]:
    if "on_sale" not in told:
        return {}
    first, last = (today + timedelta(days=days) for days in told["on_sale"])
    return {"on_sale_from": _midnight(first), "on_sale_until": _midnight(last)}


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, datetime.min.time()))


def _receive(draft: Listing, told: dict[str, Any], *, by: User, at: datetime) -> None:
    pieces = told.get("pieces", 0)
    if pieces:
        stock.receive(item_id=draft.item_id, quantity=pieces, by=by, at=at)
    if pieces and Handover.STORE in told["handovers"]:
        for store in Store.objects.filter(is_active=True).order_by("pk")[:STORES]:
            stock.receive(
                item_id=draft.item_id, quantity=AT_A_STORE, by=by, at=at, store_id=store.pk
            )


def _partner(code: str) -> Organization:
    partner, _is_new = Organization.objects.get_or_create(
        code=code, defaults={"kind": OrganizationKind.PARTNER, "name": PARTNERS[code]}
    )
    return partner


def _by_language(texts: Any) -> dict[str, str]:
    return dict(zip(LANGUAGES, texts, strict=True))
