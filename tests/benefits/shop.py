"""Items in the catalogue, brought there as staff bring them: by one, approved by another."""

import itertools
from datetime import date

from django.db import transaction

from benefits import approvals as listings
from benefits.models.items import Item, Stock
from benefits.operations import claims, stock
from benefits.operations import items as operations
from benefits.operations.items import Price, Terms
from common import approvals
from tests.factories import staff
from tests.tiers.ladder import noon

DAY = "2026-07-05"
AT = noon(date(2026, 7, 1))

_numbers = itertools.count(1)


def terms(**more):
    told = {
        "names": {"zh-hans": "保温杯", "zh-hant": "保溫杯", "en": "Thermos"},
        "source": "GOODS",
        "handovers": ("SHIP",),
        "prices": (Price(1000),),
    }
    return Terms(**told | more)


def drafted(code=None, *, by=None, is_counted=True, **more):
    return operations.create(
        code=code or f"item-{next(_numbers)}",
        terms=terms(**more),
        by=by or staff(),
        at=AT,
        is_counted=is_counted,
    )


def submitted(draft, *, by=None, at=AT):
    return listings.submit(
        listing_id=draft.pk,
        revision=draft.revision,
        at=at,
        reference=f"r{next(_numbers)}",
        by=by or staff(),
        reason="新品",
    )


def approved(draft, *, at=AT):
    asked = submitted(draft, at=at)
    approvals.approve(approval_id=asked.pk, by=staff(), at=at)
    return Item.objects.select_related("live").get(pk=draft.item_id)


def listed(code=None, *, pieces=None, stores=None, **more):
    """An item members see. `pieces`: in the warehouse; `stores`: pieces by store."""
    item = approved(drafted(code, **{"is_counted": pieces is not None or bool(stores)} | more))
    clerk = staff()
    if pieces:
        stock.receive(item_id=item.pk, quantity=pieces, by=clerk, at=AT)
    for store, count in (stores or {}).items():
        stock.receive(item_id=item.pk, quantity=count, by=clerk, at=AT, store_id=store.pk)
    return item


def changed(item, *, at=AT, **more):
    """The item with its next listing approved."""
    writer = staff()
    draft = operations.start_draft(item_id=item.pk, by=writer, at=at)
    saved = operations.save_draft(
        listing_id=draft.pk, terms=terms(**more), revision=draft.revision, by=writer, at=at
    )
    return approved(saved, at=at)


def price(item, nth=0):
    return item.live.prices.order_by("points")[nth]


def claim(member, item, quantity=1, *, at=None, price_id=None, reference=None):
    return claims.claim(
        member=member,
        item_id=item.pk,
        price_id=price_id or price(item).pk,
        quantity=quantity,
        at=at or noon(date.fromisoformat(DAY)),
        reference=reference or f"o{next(_numbers)}",
    )


def take(item, quantity=1, *, store=None, reference=None):
    reference = reference or f"o{next(_numbers)}"
    with transaction.atomic():
        claims.take_stock(
            item_id=item.pk, quantity=quantity, reference=reference, at=AT,
            store_id=store.pk if store else None,
        )  # fmt: skip
    return reference


def remaining(item, store=None):
    return Stock.objects.get(item=item, store=store).remaining
