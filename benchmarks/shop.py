"""
The shop when many want the same: the last hundred pieces of an item, and a catalogue of thousands.

Orders are placed as members place them: the form of the page, posted over HTTP with a session each,
all at the same moment. Uncontended are as many who at the same moment want an item each.
"""

import itertools
import selectors
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from importlib import import_module
from statistics import median, quantiles
from urllib.parse import urlencode
from uuid import uuid4

from django import db
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone
from django.utils.timezone import localdate

from benchmarks.coupons import approving, drafting
from benchmarks.measuring import Aim, Bench, Row, Run
from benchmarks.web import HOST, WebServer
from benefits import approvals as asking
from benefits.models.items import Item, ItemPrice, ItemState, Listing, ListingState
from benefits.models.orders import Order
from benefits.operations import items, stock
from benefits.operations.items import Price, Terms
from benefits.queries import items as queries
from common import approvals
from common.models import User
from members import operations as members
from partners.models import Store

PIECES, BUYERS = 100, 200
POINTS = 10
FEW, MANY = 50, 5_000
SHOWN = 24
P99 = Aim(3, at_most=True)
# “Opens as fast among thousands”, with what ordering them costs.
AMONG_MANY = Aim(0.3)
CSRF = "b" * 32

Slowness = tuple[float, int]


def measure(bench: Bench, _store: Store) -> list[Row]:
    return [*_catalogue(bench), *_last_pieces(bench)]


# --- The catalogue --------------------------------------------------------------------------------


class Nothing:
    name = "SELECT 1 by Django"

    def run(self, seconds: float) -> Run:
        return _repeated(seconds, _select_one)


class FirstPage:
    """What a member opens: the newest items, with price, picture and what is left."""

    def __init__(self, count: int) -> None:
        self.name = f"first page of the catalogue among {count:,} items"

    def run(self, seconds: float) -> Run:
        shopper = queries.shopper(1, localdate())
        return _repeated(
            seconds,
            lambda: queries.catalogue(shopper, at=timezone.now(), wish=queries.Wish(), count=SHOWN),
        )


def _catalogue(bench: Bench) -> list[Row]:
    have = Item.objects.filter(state=ItemState.LISTED).count()
    results = []
    for wanted in (FEW, MANY):
        if wanted > have:
            _listed_at_once(wanted - have)
            have = wanted
            page = FirstPage(have)
            results += bench.take_turns(yardstick=Nothing(), loads=[(page, None)])
    rows = [result.row() for result in results]
    # A database that an earlier run filled has not few any more.
    return [*rows, results[1].over(results[0], AMONG_MANY)] if len(results) > 1 else rows


def _repeated(seconds: float, deed: Callable[[], object]) -> Run:
    start, worked, done = time.monotonic(), time.process_time(), 0
    while time.monotonic() < start + seconds:
        deed()
        done += 1
    return Run(done, time.monotonic() - start, time.process_time() - worked)


def _select_one() -> None:
    with db.connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchall()


def _listed_at_once(count: int) -> None:
    """
    Items as a listing leaves them, by a few statements: what an approval of each costs is not
    measured.
    """
    first = _listed(is_counted=False)
    live = Listing.objects.get(pk=first.live_id)
    now = timezone.now()
    made = Item.objects.bulk_create(
        Item(code=_code(), is_counted=False, created_at=now, created_by_id=first.created_by_id)
        for _ in range(count - 1)
    )
    kept = ("names", "source", "handovers", "authors", "created_at", "changed_at", "changed_by")
    listings = Listing.objects.bulk_create(
        Listing(item=each, number=1, **{name: getattr(live, name) for name in kept})
        for each in made
    )
    ItemPrice.objects.bulk_create(ItemPrice(listing=each, points=POINTS) for each in listings)
    drafts = Listing.objects.filter(pk__in=[each.pk for each in listings])
    drafts.update(
        state=ListingState.LIVE,
        approval=live.approval_id,
        approved_at=live.approved_at,
        approved_by=live.approved_by_id,
    )
    for each, listing in zip(made, listings, strict=True):
        each.state, each.live, each.listed_at = ItemState.LISTED, listing, now
    Item.objects.bulk_update(made, ["state", "live", "listed_at"], batch_size=1_000)


# --- The last pieces ------------------------------------------------------------------------------


def _last_pieces(bench: Bench) -> list[Row]:
    members_left = itertools.count(1)
    pairs = []
    # A refusal is a page with its style sheet.
    call_command("collectstatic", interactive=False, verbosity=0)
    with WebServer("membership.wsgi:application") as platform:
        # Its workers load the application with their first answers.
        _wanted(platform, members_left, [_listed(pieces=1) for _ in range(16)])
        for nth in range(bench.options.rounds):
            apart = _wanted(platform, members_left, [_listed(pieces=1) for _ in range(BUYERS)])
            item = _listed(pieces=PIECES)
            together = _wanted(platform, members_left, [item] * BUYERS)
            ordered = Order.objects.filter(claim__item=item).count()
            if ordered != PIECES or together[1] != PIECES:
                raise SystemExit(f"{PIECES} pieces became {ordered} orders")
            if apart[1] != BUYERS:
                raise SystemExit(f"{apart[1]} of {BUYERS} got what nobody else wanted")
            bench.say(f"  turn {nth + 1}: 99 % were answered after {together[0] * 1000:.0f} ms,"
                      f" apart after {apart[0] * 1000:.0f} ms")  # fmt: skip
            pairs.append((together[0], apart[0]))
    ratios = [together / apart for together, apart in pairs]
    return [
        Row(
            name=f"p99 of the answers to {BUYERS} at once who want the last {PIECES} pieces",
            to=f"p99 of {BUYERS} at once who want an item each",
            ratio=median(ratios),
            aim=P99,
            lowest=min(ratios),
            highest=max(ratios),
        )
    ]


def _wanted(platform: WebServer, left: Iterator[int], wanted: Sequence[Item]) -> Slowness:
    """
    Every item by a member of its own, at once: after how many seconds 99 % were answered, and how
    many got what they wanted.
    """
    requests = [_request(next(left), item) for item in wanted]
    selector = selectors.DefaultSelector()
    for request in requests:
        connection = socket.create_connection((HOST, platform.port))
        selector.register(connection, selectors.EVENT_READ, request)
    start = time.monotonic()
    for key in list(selector.get_map().values()):
        key.fileobj.sendall(key.data)
    took, got = [], 0
    while selector.get_map():
        for key, _events in selector.select():
            answer = key.fileobj.recv(65_536)
            # An order is answered by the way to its page, a refusal by the form.
            took.append(time.monotonic() - start)
            got += answer.startswith(b"HTTP/1.1 302")
            if not answer.startswith((b"HTTP/1.1 302", b"HTTP/1.1 422")):
                raise SystemExit(f"An order was answered\n{answer[:500].decode(errors='replace')}")
            selector.unregister(key.fileobj)
            key.fileobj.close()
    return quantiles(took, n=100)[-1], got


def _request(member_id: int, item: Item) -> bytes:
    session = _session(members.login_for(member_id=member_id))
    body = urlencode(
        {
            "csrfmiddlewaretoken": CSRF,
            "reference": uuid4().hex,
            "price": ItemPrice.objects.get(listing=item.live_id).pk,
            "quantity": 1,
            "handover": "ONLINE",
        }
    )
    return (
        f"POST {reverse('benefits:order_item', args=[item.code])} HTTP/1.1\r\nHost: {HOST}\r\n"
        f"Cookie: {settings.SESSION_COOKIE_NAME}={session}; {settings.CSRF_COOKIE_NAME}={CSRF}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nConnection: close\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def _session(user: User) -> str:
    """The key of a session in which a member has logged in."""
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "membership.accounts.Backend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return session.session_key


def _listed(*, pieces: int = 0, is_counted: bool = True) -> Item:
    """An item that a second person let go live, with so many pieces in the warehouse."""
    now, author = timezone.now(), drafting()
    terms = Terms(
        names={"zh-hans": "保温杯", "en": "Thermos"},
        source="GOODS",
        handovers=("ONLINE",),
        prices=(Price(POINTS),),
        cost=Decimal(1),
    )
    draft = items.create(code=_code(), terms=terms, by=author, at=now, is_counted=is_counted)
    if pieces:
        stock.receive(item_id=draft.item_id, quantity=pieces, by=author, at=now)
    asked = asking.submit(
        listing_id=draft.pk, revision=draft.revision, at=now, reference=f"bench-{uuid4().hex}",
        by=author, reason="benchmark",
    )  # fmt: skip
    approvals.approve(approval_id=asked.pk, by=approving(), at=now)
    return Item.objects.get(pk=draft.item_id)


def _code() -> str:
    return f"bench-{uuid4().hex[:20]}"
