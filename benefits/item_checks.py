"""What strikes one about a listing before it goes live. Nothing here stops it: a person decides."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from itertools import pairwise

from django.conf import settings
from django.utils.timezone import localdate
from django.utils.translation import gettext as _

from benefits import item_words, words
from benefits.models.coupons import BatchState, CouponBatch
from benefits.models.draws import Draw, DrawState
from benefits.models.items import Item
from benefits.operations.items import Price, Terms
from benefits.queries import items as queries
from programme import queries as programme
from tiers import queries as tiers


def findings(item: Item, terms: Terms, *, at: datetime) -> Iterator[str]:
    yield from _unsaid(terms)
    yield from _below_cost(terms)
    yield from _dearer_above(terms)
    yield from _for_nobody(terms)
    yield from _gives_nothing(terms)
    if terms.on_sale_until and terms.on_sale_until <= at:
        yield _("The sale is over already.")
    if item.is_counted and not queries.left([item.pk])[item.pk]:
        yield _("Nothing is in stock.")


def _gives_nothing(terms: Terms) -> Iterator[str]:
    batches = CouponBatch.objects.filter(pk=terms.batch_id or 0)
    if (batch := batches.first()) and batch.state != BatchState.RUNNING:
        yield _("Its coupons do not run: nobody can order it.")
    draws = Draw.objects.filter(pk=terms.draw_id or 0)
    if (draw := draws.first()) and draw.state != DrawState.RUNNING:
        yield _("Its draw does not run: nobody can order it.")


def _unsaid(terms: Terms) -> Iterator[str]:
    if not terms.pictures:
        yield _("It has no picture.")
    if terms.category_id is None:
        yield _("It stands in no category.")
    for code, language in settings.LANGUAGES:
        if not terms.names.get(code):
            yield _("It has no name in %(language)s.") % {"language": language}
        said = any(terms.description.values()) and not terms.description.get(code)
        if said:
            yield _("It has no description in %(language)s.") % {"language": language}


def _below_cost(terms: Terms) -> Iterator[str]:
    """A price that brings in less than a piece costs, points counted at what they are worth."""
    installed = programme.programme()
    if installed is None:
        return
    for price in terms.prices:
        worth = Decimal(price.points) / installed.points_per_currency_unit + price.cash
        if worth < terms.cost:
            yield _("“%(price)s” is worth %(worth)s, and a piece costs %(cost)s.") % {
                "price": item_words.price(price),
                "worth": words.price(0, round(worth, 2)),
                "cost": words.price(0, terms.cost),
            }


def _dearer_above(terms: Terms) -> Iterator[str]:
    """A higher tier that pays more points than the one below it."""
    levels = [each.code for each in tiers.ladder_on(localdate()).levels]
    for lower, higher in pairwise(levels):
        before, after = (_fewest(terms, each) for each in (lower, higher))
        if before is not None and after is not None and after > before:
            told = {"lower": item_words.tier(lower), "higher": item_words.tier(higher)}
            yield _("“%(higher)s” pays more points than “%(lower)s”.") % told


def _fewest(terms: Terms, tier: str) -> int | None:
    own: list[Price] = [each for each in terms.prices if each.tier == tier]
    paid = own or [each for each in terms.prices if not each.tier]
    return min((each.points for each in paid), default=None)


def _for_nobody(terms: Terms) -> Iterator[str]:
    known = {each.code for each in tiers.ladder_on(localdate()).levels}
    named = {*terms.tiers, *(each.tier for each in terms.prices)}
    named |= {each.tier for each in terms.limits}
    for code in sorted(named - known - {""}):
        yield _("There is no tier “%(tier)s” today.") % {"tier": code}
