"""A member's whole way, at phone size in Chinese: registered, activated, earning, leaving."""

import json
import re
from urllib.request import Request, urlopen

import pytest
from django.utils import timezone
from django.utils.timezone import localdate
from playwright.sync_api import expect

from common import limits
from members.models import ConsentPurpose, Erasure, Member, MemberStatus
from membership.demo import rules
from messaging import queries as messaging
from messaging.models import Channel, Purpose
from programme import operations as programme
from tests.browser.test_joining import submit
from tests.browser.test_member_pages import code_of
from tests.factories import api_client, consent_text, main_store
from tests.till import token

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
VIN = "LSVAM4187C2184847"


@pytest.fixture
def store():
    store = main_store()
    programme.load(document=rules.document(today=localdate()), published_at=timezone.now())
    consent_text(ConsentPurpose.SERVICE)
    consent_text(ConsentPurpose.MARKETING)
    return store


@pytest.fixture
def till(store, live_server):
    """Sends what a dealer's system sends, over HTTP."""
    bearer = token(api_client(store.organization))

    def send(path, document):
        request = Request(
            f"{live_server.url}/api/v1/{path}",
            json.dumps(document).encode(),
            {"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"},
        )
        with urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    return send


def by_phone(page, path="/login/"):
    page.goto(path)
    page.get_by_label("手机号").fill("138 0013 8000")
    submit(page)
    page.get_by_label("验证码").fill(code_of(page))
    submit(page)


def fits(page):
    assert page.evaluate("document.documentElement.scrollWidth") <= 390, page.url


def test_registered_activated_earning_seeing_leaving(open_page, till, store):
    # The dealer registers a buyer, who has points before they have ever seen a page.
    member = till(
        "members/",
        {
            "phone": "138 0013 8000",
            "name": "王小明",
            "store": store.code,
            "activate": False,
            "product": {"identifier": VIN, "name": "朗逸"},
        },
    )
    page = open_page("/")
    expect(page).to_have_url(re.compile("/login/"))

    # The buyer proves the phone and names what was bought.
    by_phone(page)
    expect(page).to_have_url(re.compile("/activate/$"))
    fits(page)
    page.locator("[name=identifier]").fill(VIN)
    page.locator("[name=agreed]").check()
    submit(page)
    expect(page.locator(".card-number")).to_contain_text(member["number"])
    assert Member.objects.get().status == MemberStatus.ACTIVE
    expect(page.locator(".tasks")).to_be_visible()

    # A bill is paid at the store.
    bill = till(
        "purchases/",
        {
            "reference": "R-1001",
            "member": member["number"],
            "store": store.code,
            "amount": "268.00",
            "lines": [
                {"line": "1", "category": "labour", "amount": "120.00"},
                {"line": "2", "category": "parts", "amount": "148.00"},
            ],
        },
    )
    assert bill["points"] > 0

    # Home tells it at once; the statement says how it came about.
    page.reload()
    expect(page.locator(".lines")).to_contain_text(f"+{bill['points']}")
    expect(page.locator(".tier-line")).to_be_visible()
    fits(page)
    page.get_by_role("navigation").get_by_role("link", name="积分").click()
    expect(page).to_have_url(re.compile("/statement/$"))
    line = page.locator(".line").filter(has_text="R-1001")
    expect(line.locator(".line-points")).to_contain_text(f"+{bill['points']}")
    expect(line.locator(".line-why")).to_contain_text("养护季工时双倍积分")
    fits(page)

    # The tier: what there is, and how far the next one is.
    page.get_by_role("navigation").get_by_role("link", name="等级").click()
    expect(page.locator(".tier-name")).to_be_visible()
    expect(page.locator(".way").first).to_be_visible()
    fits(page)

    leave(page)


def leave(page):
    """A last look at what is known, and the wish to be forgotten – taken back once."""
    page.goto("/privacy/")
    fits(page)
    page.locator("#erasure a.button").click()
    expect(page).to_have_url(re.compile("/privacy/proof/"))
    for key in limits.client().scan_iter("limit:*"):
        limits.client().delete(key)  # what Redis does after a minute
    submit(page)
    page.locator("[name=code]").fill(code_of(page))
    submit(page)
    expect(page).to_have_url(re.compile("/privacy/erasure/$"))
    fits(page)
    page.locator(".danger").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.locator("[name=understood]").check()
    page.locator(".danger").click()
    expect(page.locator("#erasure [role=status]")).to_be_visible()
    assert Erasure.objects.filter(withdrawn_at=None).count() == 1

    page.locator("#erasure .primary").click()
    expect(page.locator("#erasure a.button")).to_be_visible()
    assert Erasure.objects.filter(withdrawn_at=None).count() == 0


def test_a_member_chooses_what_to_hear_and_agrees_to_offers(open_page, till, store):
    till(
        "members/",
        {"phone": "138 0013 8000", "name": "王小明", "store": store.code, "activate": True},
    )
    page = open_page("/")
    by_phone(page)
    one = Member.objects.get()

    # Offers come only to who agrees; the settings say so and lead to where one does.
    page.goto("/messages/settings/")
    expect(page.locator("[name^=MARKETING]")).to_have_count(0)
    fits(page)
    page.locator("main a[href='/privacy/']").click()
    expect(page).to_have_url(re.compile("/privacy/$"))
    marketing = page.locator(".consent").filter(has=page.locator("[value=MARKETING]"))
    marketing.locator("button").click()
    expect(page.get_by_role("status")).to_be_visible()
    expect(marketing.locator(".state-on")).to_be_visible()
    fits(page)

    page.goto("/messages/settings/")
    page.locator("[name='MARKETING-SMS']").uncheck()
    page.locator("button.primary").click()
    expect(page.get_by_role("status")).to_be_visible()
    wanted = messaging.choices(one.pk)
    assert (wanted[Purpose.MARKETING, Channel.SMS], wanted[Purpose.MARKETING, Channel.EMAIL]) == (
        False,
        True,
    )
    expect(page.locator("[name='MARKETING-SMS']")).not_to_be_checked()
