"""The member's page of tiers, and the line on the home page."""

import re

import pytest
import time_machine
from django.test import Client

from members import operations as members
from programme import queries as programme
from tests.factories import buy, identity, staff
from tests.tiers.ladder import (
    BASE,
    SILVER,
    YEAR,
    gather,
    level,
    noon,
    publish,
    simple,
    spend,
)
from tests.wire import counted_on_the_wire
from tiers import operations, pictures
from tiers.models import Proposal

pytestmark = pytest.mark.django_db
DIAMOND = level("diamond", application=spend(5000, window=YEAR))
BY_APPLICATION = {"levels": [BASE, SILVER, DIAMOND]}


@pytest.fixture(autouse=True)
def _in_june():
    with time_machine.travel(noon("2026-06-15"), tick=False):
        yield


@pytest.fixture
def of():
    return identity()


@pytest.fixture
def client(of):
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(members.login_for(member_id=of.id))
    return client


def text_of(response):
    assert response.status_code == 200
    text = re.sub(r"<[^>]+>", " ", response.content.decode())
    return re.sub(r"\s+", " ", text).replace("&#x27;", "'")


class TestProgress:
    def test_shows_the_tier_what_is_missing_and_by_when(self, client, of):
        publish()
        gather(of, "2025-08-01", points=10000)
        gather(of, "2026-06-01", points=5000, spend="2500")

        response = client.get("/tier/")
        text = text_of(response)

        assert "Your tier Silver Valid until Aug. 1, 2027" in text
        assert 'aria-label="25 % of the way to Gold"' in response.content.decode()
        assert "Still needed: 15,000 qualifying points or a spend of 7,500.00 yuan" in text
        assert "One of these is enough" in text
        assert "You keep it for another period when this one ends on Aug. 1, 2027" in text
        assert "As things stand" not in text

    def test_warns_of_what_becomes_of_it_if_nothing_more_is_gathered(self, client, of):
        publish()
        gather(of, "2025-08-01", points=10000)
        gather(of, "2026-06-01", points=700)

        text = text_of(client.get("/tier/"))

        assert "Needed until Aug. 1, 2027: 4,300 qualifying points" in text
        assert "As things stand it becomes Regular on Aug. 2, 2027." in text

    def test_says_why_in_words_newest_first(self, client, of):
        publish()
        gather(of, "2025-08-01", points=10000)
        gather(of, "2026-06-01", points=20000)

        text = text_of(client.get("/tier/"))

        upgraded = "Upgraded from Silver to Gold on June 1, 2026."
        assert upgraded in text
        assert text.index(upgraded) < text.index("Upgraded from Regular to Silver")
        assert "Gathered: 20,000 qualifying points of 20,000 qualifying points" in text
        assert "This is the highest tier." in text

    def test_marks_the_members_place_on_the_ladder(self, client, of):
        publish()
        gather(of, "2025-08-01", points=10000)

        html = client.get("/tier/").content.decode()

        [mine] = re.findall(
            r'<li class="rung rung-mine" aria-current="step">(.*?)</li>', html, re.S
        )
        assert "Silver" in mine
        assert re.findall(r'<p class="rung-name">(\w+)', html) == ["Gold", "Silver", "Regular"]

    def test_shows_what_is_earned_beneath_a_tier_by_hand(self, client, of):
        publish()
        operations.set_manual(
            member=of, level="gold", until=noon("2026-12-31").date(), reason="VIP",
            at=noon("2026-06-15"), by=staff(),
        )  # fmt: skip

        text = text_of(client.get("/tier/"))

        assert "Your tier Gold Given to you until Dec. 31, 2026" in text
        assert "Earned beneath it: Regular" in text
        assert "To Silver" in text

    def test_of_who_did_nothing_yet_invites(self, client):
        publish()

        text = text_of(client.get("/tier/"))

        assert "Your tier Regular Valid for ever" in text
        assert "Every member begins here." in text

    def test_of_a_programme_without_tiers_says_so(self, client):
        publish({"levels": []})

        assert "This programme has no tiers yet." in text_of(client.get("/tier/"))
        assert "This programme has no tiers yet." in text_of(client.get("/"))

    def test_escapes_names(self, client):
        publish({"levels": [level("regular", names={"zh-hans": "<b>x", "en": "<b>x"})]})

        assert "<b>x" not in client.get("/tier/").content.decode()

    def test_nobody_sees_anothers(self, client):
        publish()
        gather(identity(), "2026-06-01", points=20000)

        assert "Your tier Regular" in text_of(client.get("/tier/"))

    def test_visitors_are_sent_to_log_in(self):
        assert Client().get("/tier/")["Location"].startswith("/login/")

    @pytest.mark.parametrize("language", ["zh-hans", "zh-hant", "en"])
    def test_costs_few_queries_however_much_there_is(
        self, client, of, django_assert_max_num_queries, language
    ):
        publish()
        for month in range(1, 7):
            gather(of, f"2025-{month:02d}-01", points=10000)
        client.get("/tier/", headers={"Accept-Language": language})
        programme.forget_cached()

        # session, user with member; version, standing, days, programme; decisions; unread messages
        with django_assert_max_num_queries(8):
            response = client.get("/tier/", headers={"Accept-Language": language})
        assert len(response.content) < 25_000


@pytest.mark.django_db(transaction=True)
class TestRoundTrips:
    """On the wire, with the rulebook known to the process."""

    def asked(self, client, address):
        client.get(address)
        with counted_on_the_wire() as statements:
            assert client.get(address).status_code == 200
            return [each for each in statements if each.startswith(("\n", "SELECT", "WITH"))]

    def test_the_tier_page_costs_seven(self, client, of):
        publish()
        gather(of, "2026-06-01", points=10000)

        # session, user with member; standing, days; decisions; what the next tier opens in the
        # shop; unread messages
        assert len(self.asked(client, "/tier/")) == 7

    def test_the_home_page_costs_eight(self, client, of):
        publish()
        gather(of, "2026-06-01", points=10000)
        buy(of, "100.00", at=noon("2026-06-01"))

        # session, user with member and standing; days; account; points with what lapses; entries,
        # the first of them; unread messages
        assert len(self.asked(client, "/")) == 8


class TestHome:
    def test_shows_the_tier_and_what_is_missing(self, client, of):
        publish(simple(100, 1000))
        gather(of, "2026-06-01", points=100)
        gather(of, "2026-06-02", points=250)

        response = client.get("/")
        text = text_of(response)

        assert "T1 My tier" in text
        assert "To T2: 750 qualifying points to go" in text
        assert '<rect class="bar-fill" width="25"' in response.content.decode()
        assert 'href="/tier/"' in response.content.decode()

    @pytest.mark.parametrize(
        ("warn_days", "shown", "silent"),
        [([60, 30], "2026-04-03", "2026-04-02"), ([], "2026-03-04", "2026-03-03")],
    )
    def test_says_that_a_tier_ends_only_when_it_is_near(self, client, of, warn_days, shown, silent):
        publish(simple(10, warn_days=warn_days))
        gather(of, "2025-06-01", points=10)

        for day, is_shown in ((silent, False), (shown, True)):
            with time_machine.travel(noon(day), tick=False):
                text = text_of(client.get("/"))
                assert ("it becomes Regular on June 2, 2026" in text) is is_shown
                assert "it becomes Regular on June 2, 2026" in text_of(client.get("/tier/"))


class TestApplication:
    def test_is_offered_when_its_figures_are_met_and_then_waits(self, client, of):
        publish(BY_APPLICATION)
        gather(of, "2026-06-01", spend="6000")

        assert "Apply for Diamond" in text_of(client.get("/tier/"))
        answer = client.post("/tier/", {"level": "diamond", "text": "三台车"})

        assert answer["Location"] == "/tier/"
        [proposal] = Proposal.objects.all()
        assert (proposal.member_id, proposal.level, proposal.text) == (of.id, "diamond", "三台车")
        page = client.get("/tier/")
        assert "You applied on June 15, 2026." in text_of(page)
        assert "<textarea" not in page.content.decode()

    def test_before_that_says_what_is_missing(self, client, of):
        publish(BY_APPLICATION)
        gather(of, "2026-06-01", spend="4000")

        page = client.get("/tier/")

        assert "You can apply once you have a spend of 1,000.00 yuan more." in text_of(page)
        assert "<textarea" not in page.content.decode()

    def test_without_the_figures_is_refused_in_words(self, client):
        publish(BY_APPLICATION)

        text = text_of(client.post("/tier/", {"level": "diamond", "text": ""}))

        assert "Your present figures do not allow an application for this tier." in text
        assert not Proposal.objects.exists()

    @pytest.mark.parametrize("fields", [{}, {"level": "x y"}, {"level": "nobody"}])
    def test_of_nonsense_is_refused(self, client, fields):
        publish(BY_APPLICATION)

        assert 'role="alert"' in client.post("/tier/", fields).content.decode()

    def test_of_a_programme_without_tiers_is_refused(self, client):
        publish({"levels": []})

        text = text_of(client.post("/tier/", {"level": "diamond"}))

        assert "The programme has no tiers." in text

    def test_tells_a_refusal_and_lets_apply_anew(self, client, of):
        publish(BY_APPLICATION)
        gather(of, "2026-06-01", spend="6000")
        client.post("/tier/", {"level": "diamond"})
        operations.reject_proposal(
            proposal_id=Proposal.objects.get().pk, member=of, at=noon("2026-06-15"),
            by=staff(), note="资料不全",
        )  # fmt: skip

        page = client.get("/tier/")

        assert "Your application of June 15, 2026: Rejected 资料不全" in text_of(page)
        assert "<textarea" in page.content.decode()


def leaf(total, at_least):
    return {
        "measure": "points", "total": str(total), "at_least": str(at_least),
        "met": total >= at_least, "from": None, "until": "2026-06-15",
    }  # fmt: skip


def group(word, met, *of, **more):
    return {"word": word, "of": list(of), "met": met, **more}


class TestPercent:
    @pytest.mark.parametrize(
        ("tree", "percent"),
        [
            (leaf(0, 100), 0),
            (leaf(-5, 100), 0),
            (leaf(25, 100), 25),
            (leaf(99999, 100000), 99),
            (leaf(100, 100), 100),
            (leaf(500, 100), 100),
            (group("any", False, leaf(10, 100), leaf(60, 100)), 60),
            (group("all", False, leaf(100, 100), leaf(0, 100)), 50),
            (group("all", False, leaf(900, 100), leaf(0, 100)), 50),
            (group("some", False, leaf(100, 100), leaf(50, 100), leaf(10, 100), some=2), 75),
        ],
    )
    def test_is_full_only_when_it_is_met(self, tree, percent):
        assert pictures.percent(tree) == percent

    def test_of_some_says_how_many_are_needed(self):
        tree = group("some", False, leaf(1, 10), leaf(2, 10), leaf(3, 10), some=2)

        assert "2" in pictures.need(tree).heading
