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
from benefits.models.items import Category, Handover, Item, ItemState, Listing
from benefits.operations import items, stock
from benefits.operations.item_pictures import keep_picture
from benefits.operations.items import Limit, Price, Shown, Terms
from common import approvals
from common.models import User
from membership.demo import drawing
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
    listed = set(Item.objects.values_list("code", flat=True))
    # The first stands in front: what is listed last is the newest.
    for each in reversed(told):
        if each["code"] not in listed:
            _list(each, shelves, partners, today=today, writer=writer, approver=approver)
    return len(told)


@transaction.atomic
def _list(
    told: dict[str, Any], shelves: dict[str, Category], partners: dict[str, Organization], *,
    today: date, writer: User, approver: User,
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
