"""What holds of every page of members: for all eyes, thin networks and any thumb."""

from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.test import Client
from django.utils import timezone
from django.utils.timezone import localdate

from members import operations as members
from members.models import GroupKind
from membership.demo import rules
from points import operations
from programme import operations as programme
from tests.benefits.buying import order
from tests.benefits.coupon_plan import issued, running
from tests.benefits.shop import listed
from tests.benefits.wanted import asking, candidate
from tests.browser.test_member_pages import faint_texts
from tests.factories import buy, identity, lot, main_store, member, message, source
from tests.factories.groups import let_in, share
from tests.factories.points import NOON

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

VISITORS = ["/login/", "/login/email/", "/join/", "/password/", "/help/", "/offline/", "/nowhere/"]
MEMBERS = [
    "/",
    "/card/",
    "/statement/",
    "/tier/",
    "/benefits/",
    "/surveys/",
    "/coupons/",
    "/draws/",
    "/shop/",
    "/shop/?affordable=on",
    "/orders/",
    "/messages/",
    "/messages/settings/",
    "/profile/",
    "/profile/edit/",
    "/profile/products/",
    "/profile/phone/",
    "/groups/",
    "/privacy/",
    "/security/",
    "/security/password/",
    "/help/",
]
KB = 1024
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.fixture
def pages(open_page, live_server):
    """Open every page in turn: as a visitor, then as a member of whom there is much to tell."""
    main_store()
    programme.load(document=rules.document(today=localdate()), published_at=timezone.now())
    wang = member(name="王小明", phone="13800138000", email="wang@example.com")
    buy(identity(wang), "2680.00", reference="R-1001")
    operations.redeem(
        member=identity(wang), points=20, at=NOON, reference="X-1", source=source(), note="洗车券"
    )
    message(wang)
    group = in_a_family(wang)
    survey = asked()
    item = listed(pieces=5)
    lot(identity(wang), 5000, expires_on=localdate() + timedelta(days=300))
    ordered = order(identity(wang), item, at=timezone.now())
    coupon = good_this_year(wang)

    def pages_(**options):
        page = open_page("/login/", **options)
        own = [
            f"/groups/{group.pk}/",
            f"/groups/{group.pk}/dissolve/",
            f"/surveys/{survey.pk}/",
            f"/shop/{item.code}/",
            f"/shop/{item.code}/order/",
            f"/orders/{ordered.pk}/",
            f"/orders/{ordered.pk}/cancel/",
            f"/coupons/{coupon.pk}/",
        ]
        for path in [*VISITORS, *MEMBERS, *own]:
            if path == MEMBERS[0]:
                page.context.add_cookies([session(wang, live_server.url)])
            page.goto(path)
            assert page.url == f"{live_server.url}{path}"
            yield path, page

    return pages_


def in_a_family(of):
    """With somebody who shares, and somebody who was asked in."""
    now, other = timezone.now(), member(name="李小红")
    group = members.found_group(kind=GroupKind.FAMILY, name="王家", owner_id=of.pk, at=now)
    let_in(group, of, other, at=now)
    for each in (of, other):
        share(group, each, at=now)
    members.invite_to_group(group_id=group.pk, by_member=of.pk, whom="13900000005", at=now)
    return group


def asked():
    """Each kind of question there is."""
    found = [candidate(name) for name in ("机场贵宾厅", "代驾服务", "上门取送车")]
    return asking(("CHOOSE", found, 2), ("RATE", found), ("RANK", found))[0]


def good_this_year(of):
    """A coupon of theirs that can be used today."""
    now = timezone.now()
    day = localdate(now)
    batch = running(first_on=day, last_on=day + timedelta(days=30))
    return issued(batch, identity(of), at=now)


def session(of, url):
    client = Client()
    client.force_login(members.login_for(member_id=of.pk))
    name = "membership_session"
    return {"name": name, "value": client.cookies[name].value, "url": url}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_is_open_to_everybody(pages, scheme):
    found = {}
    for path, page in pages(color_scheme=scheme):
        found[path] = barriers(page)

    assert {path: faults for path, faults in found.items() if faults} == {}


def barriers(page):
    violations = Axe().run(page, options=RULES).response["violations"]
    return [
        *((each["id"], [node["html"] for node in each["nodes"]]) for each in violations),
        *faint_texts(page),
    ]


def is_for_everybody(page):
    """One page, on the way."""
    assert barriers(page) == []
    assert small_targets(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]


def test_is_small_and_shown_at_once_on_a_thin_network(pages, live_server):
    for path, page in pages():
        sizes = loaded(page)
        assert [url for url in sizes if not url.startswith(live_server.url)] == []
        assert 0 < sizes.pop(f"{live_server.url}{path}") < 60 * KB
        heavy = [url for url, size in sizes.items() if url.endswith(".css") and size > 50 * KB]
        assert heavy == []
        # What a browser waits for before it shows anything: one style sheet of ours.
        waits = page.evaluate(
            """() => [...document.querySelectorAll(
                "head link[rel=stylesheet], script:not([defer])"
            )].map((each) => each.href || each.src || "inline")"""
        )
        assert [url.rpartition("/")[2] for url in waits] == ["site.css"], path


def loaded(page):
    """Bytes of the page and of what it needs, unpacked, by address: the browser's own figures."""
    return page.evaluate(
        """() => Object.fromEntries(
            ["navigation", "resource"]
                .flatMap((kind) => performance.getEntriesByType(kind))
                .map((each) => [each.name, each.decodedBodySize])
        )"""
    )


def test_fits_the_smallest_phone_and_any_thumb(pages):
    found = {}
    for path, page in pages(viewport={"width": 320, "height": 568}):
        assert page.evaluate("document.documentElement.scrollWidth") == 320, path
        found[path] = small_targets(page)

    assert {path: targets for path, targets in found.items() if targets} == {}


def small_targets(page):
    """What is touched and is lower or narrower than 44 px; links within a sentence may be."""
    return page.evaluate(
        """() => [...document.querySelectorAll("a, button, input, select, summary, textarea")]
            .filter((each) => each.checkVisibility() && each.type !== "hidden")
            .filter((each) => !each.matches(".skip, p a, .link"))
            .map((each) => each.closest("label") || each)
            .filter((each) => {
                const box = each.getBoundingClientRect();
                return box.width > 1 && (box.height < 43.5 || box.width < 43.5);
            })
            .map((each) => each.outerHTML.slice(0, 120))"""
    )
