"""Tiers in the console: why a member stands there, tiers by hand by two people, proposals."""

import re
from datetime import date

import pytest
import time_machine
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from common.models import Approval, AuditRecord
from tests.factories import identity, member, staff
from tests.membership.conftest import console
from tests.tiers.ladder import (
    BASE,
    SILVER,
    YEAR,
    decisions,
    gather,
    level,
    noon,
    points,
    publish,
    spend,
    standing,
)
from tiers import operations
from tiers.models import Proposal

pytestmark = pytest.mark.django_db
QUERIES_MAX = 10
PROPOSED = level("gold", upgrade=points(20000, window=YEAR), approval=True, validity={"months": 24})
DIAMOND = level("diamond", application=spend(5000, window=YEAR))


@pytest.fixture(autouse=True)
def _in_june():
    with time_machine.travel(noon("2026-06-15"), tick=False):
        yield


@pytest.fixture
def of():
    return identity(member(name="王小明"))


@pytest.fixture
def clerk(at_work):
    return at_work("customer care")


@pytest.fixture
def chief():
    user = staff(username="chief", is_superuser=False)
    user.groups.add(Group.objects.get(name="programme manager"))
    return console(user)


def page(name, *args):
    return reverse(f"admin:{name}", args=args)


def text_of(response) -> str:
    assert response.status_code == 200
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))
    return text.replace("&#x27;", "'")


def send(client, action, of, **fields):
    """Fill in the form that is opened and send it."""
    address = page(f"member-{action}", of.number)
    form = client.get(address).context["form"]
    hidden = {"reference": form["reference"].value()} if "reference" in form.fields else {}
    return client.post(address, {"reason": "顾客来电", **hidden, **fields}, follow=True)


def approve(client, approval):
    address = page("common_approval_approve", approval.pk)
    return text_of(client.post(address, {"note": "同意"}, follow=True))


class TestMembersTier:
    def test_tells_standing_totals_and_every_decision_with_its_evidence(self, clerk, of):
        version = publish()
        gather(of, "2025-08-01", points=10000)
        gather(of, "2026-06-01", points=700, spend="300")

        text = text_of(clerk.get(page("member-tier", of.number)))

        assert "Tier Silver Since 2025-08-01 Last day 2027-08-01" in text
        assert "As things stand, then Regular from 2027-08-02" in text
        assert "Still needed: 19,300 qualifying points or a spend of 9,700.00 yuan" in text
        assert "700 qualifying points of 5,000 qualifying points" in text
        assert "Upgraded from Regular to Silver on Aug. 1, 2025." in text
        assert "Gathered: 10,000 qualifying points of 10,000 qualifying points" in text
        assert f"Judged by the rulebook's version {version.number}." in text
        assert "By rule" in text

    def test_of_a_programme_without_tiers_says_so(self, clerk, of):
        publish({"levels": []})

        assert "The programme has no tiers." in text_of(clerk.get(page("member-tier", of.number)))

    def test_is_a_tab_only_of_who_may_see_it(self, at_work, of):
        publish()
        clerk = at_work("customer care")
        tab = page("member-tier", of.number)
        assert f'href="{tab}"' in clerk.get(page("member", of.number)).content.decode()

        user = staff(username="narrow", is_superuser=False)
        user.user_permissions.add(Permission.objects.get(codename="view_member"))
        narrow = console(user)
        assert f'href="{tab}"' not in narrow.get(page("member", of.number)).content.decode()
        assert narrow.get(tab).status_code == 403

    def test_an_auditor_reads_and_changes_nothing(self, at_work, of):
        publish()
        auditor = at_work("auditor")

        text = text_of(auditor.get(page("member-tier", of.number)))

        assert "Give a tier by hand" not in text
        assert auditor.get(page("member-set-tier", of.number)).status_code == 403

    @pytest.mark.parametrize("language", ["en", "zh-hans", "zh-hant"])
    def test_opens_in_few_queries_however_many_decisions(self, at_work, of, language):
        publish(valid_from="2010-01-01")
        client = at_work("customer care", language=language)
        counts = []
        for year in range(2016, 2026):
            gather(of, f"{year}-03-01", points=20000)
            client.get(page("index"))
            with CaptureQueriesContext(connection) as queries:
                assert client.get(page("member-tier", of.number)).status_code == 200
            counts.append(len(queries))

        assert counts[0] == counts[-1]
        assert counts[-1] <= QUERIES_MAX


class TestByHand:
    def test_a_tier_is_given_when_a_second_person_approves(self, clerk, chief, of):
        publish()

        told = text_of(send(clerk, "set-tier", of, level="gold", until="2026-12-31"))

        assert "Sent for approval" in told
        assert decisions(of) == []
        assert "Approved and done." in approve(chief, Approval.objects.get())
        assert decisions(of) == [("MANUAL", "regular", "gold", "2026-06-15")]
        assert standing(of).manual_until == date(2026, 12, 31)
        text = text_of(clerk.get(page("member-tier", of.number)))
        assert "Gold by hand; earned: Regular" in text
        assert "Reason: 顾客来电" in text
        assert "approved by chief" in text

    def test_nobody_approves_their_own(self, of):
        publish()
        boss = console(staff(username="boss"))
        send(boss, "set-tier", of, level="gold")

        boss.post(page("common_approval_approve", Approval.objects.get().pk), {"note": ""})

        assert decisions(of) == []

    def test_the_same_form_sent_twice_asks_once(self, clerk, of):
        publish()
        address = page("member-set-tier", of.number)
        reference = clerk.get(address).context["form"]["reference"].value()
        for _ in range(2):
            clerk.post(address, {"reason": "x", "reference": reference, "level": "gold"})

        assert Approval.objects.count() == 1

    def test_offers_only_what_is_above_what_is_earned(self, clerk, of):
        publish()
        gather(of, "2026-06-01", points=10000)

        form = clerk.get(page("member-set-tier", of.number)).context["form"]

        assert form.fields["level"].choices == [("gold", "Gold")]

    def test_says_if_there_is_nothing_above(self, clerk, of):
        publish()
        gather(of, "2026-06-01", points=20000)

        text = text_of(clerk.get(page("member-set-tier", of.number)))

        assert "There is no higher tier." in text

    @pytest.mark.parametrize(
        "wrong",
        [
            {"level": "silver", "until": "2026-06-14"},
            {"level": "silver", "reason": " "},
            {"level": "nobody"},
            {"level": "silver", "until": "31.12.2026x"},
            {"level": "silver", "reference": "mine"},
        ],
    )
    def test_wrong_input_is_refused_beside_the_form(self, clerk, of, wrong):
        publish()

        answer = send(clerk, "set-tier", of, **wrong)

        assert answer.context["form"].errors
        assert not Approval.objects.exists()

    def test_is_ended_with_a_reason(self, clerk, of):
        publish()
        operations.set_manual(
            member=of, level="gold", until=None, reason="VIP", at=noon("2026-06-14"), by=staff()
        )

        told = text_of(send(clerk, "end-tier", of))

        assert "The tier by hand has ended." in told
        assert decisions(of)[-1] == ("MANUAL_END", "gold", "regular", "2026-06-15")
        assert AuditRecord.objects.get(action="tier.manual_end").reason == "顾客来电"

    def test_what_is_not_there_cannot_be_ended(self, clerk, of):
        publish()

        answer = send(clerk, "end-tier", of)

        assert "The member has no tier by hand." in text_of(answer)

    def test_a_tier_is_extended_when_a_second_person_approves(self, clerk, chief, of):
        publish()
        gather(of, "2025-08-01", points=10000)

        send(clerk, "extend-tier", of, until="2028-01-31")
        approve(chief, Approval.objects.get())

        assert standing(of).valid_until == date(2028, 1, 31)
        assert "The validity of Silver was extended on June 15, 2026." in text_of(
            clerk.get(page("member-tier", of.number))
        )

    def test_only_what_is_possible_is_offered(self, clerk, of):
        publish()

        text = text_of(clerk.get(page("member-tier", of.number)))
        assert "Give a tier by hand" in text
        assert "Extend the tier" not in text
        assert "End the tier by hand" not in text

    @pytest.mark.parametrize("action", ["set-tier", "extend-tier", "end-tier"])
    def test_forms_open_in_few_queries(self, clerk, of, action):
        publish()
        gather(of, "2025-08-01", points=10000)
        clerk.get(page("index"))

        with CaptureQueriesContext(connection) as queries:
            assert clerk.get(page(f"member-{action}", of.number)).status_code == 200

        assert len(queries) <= QUERIES_MAX


class TestProposals:
    @pytest.fixture
    def proposal(self, of):
        publish({"levels": [BASE, SILVER, PROPOSED, DIAMOND]})
        gather(of, "2026-06-10", points=20000)
        return Proposal.objects.get()

    def decide(self, client, proposal, **fields):
        address = page("tier-proposal", proposal.pk)
        return client.post(address, {"note": "", **fields}, follow=True)

    def test_wait_in_a_list_with_what_was_gathered(self, chief, of, proposal):
        assert of.number in text_of(chief.get(page("tier-proposals")))

        text = text_of(chief.get(page("tier-proposal", proposal.pk)))

        assert "Upgrade to Gold" in text
        assert "Gathered 20,000 qualifying points of 20,000 qualifying points" in text

    def test_approved_is_done_at_once(self, chief, of, proposal):
        answer = self.decide(chief, proposal, approve="1", note="核实无误")

        assert "The upgrade is done." in text_of(answer)
        assert decisions(of)[-1][:3] == ("UPGRADE", "silver", "gold")
        assert of.number not in text_of(chief.get(page("tier-proposals")))

    def test_rejected_needs_a_note_and_changes_nothing(self, chief, of, proposal):
        before = decisions(of)

        assert "Say why." in text_of(self.decide(chief, proposal, reject="1"))
        assert "Rejected." in text_of(self.decide(chief, proposal, reject="1", note="代购"))

        assert decisions(of) == before
        text = text_of(chief.get(page("tier-proposal", proposal.pk)))
        assert "代购" in text

    def test_decided_ones_are_not_decided_again(self, chief, of, proposal):
        self.decide(chief, proposal, reject="1", note="代购")

        answer = self.decide(chief, proposal, approve="1")

        assert "This was decided already: Rejected." in text_of(answer)
        assert decisions(of)[-1][2] != "gold"

    def test_customer_care_sees_and_does_not_decide(self, clerk, of, proposal):
        assert "Approve" not in re.findall(
            r"<button[^>]*>([^<]*)<", clerk.get(page("tier-proposal", proposal.pk)).content.decode()
        )

        assert self.decide(clerk, proposal, approve="1").status_code == 403
        assert decisions(of)[-1][2] != "gold"

    def test_an_application_shows_what_the_member_says(self, chief, of):
        publish({"levels": [BASE, DIAMOND]})
        gather(of, "2026-06-01", spend="6000")
        operations.apply(member=of, level="diamond", text="<b>三台车", at=noon("2026-06-15"))

        html = chief.get(page("tier-proposal", Proposal.objects.get().pk)).content.decode()

        assert "&lt;b&gt;三台车" in html

    def test_an_unknown_one_is_404(self, chief):
        assert chief.get(page("tier-proposal", 99)).status_code == 404

    def test_list_opens_in_few_queries(self, chief, proposal):
        for _ in range(5):
            gather(identity(), "2026-06-10", points=20000)
        chief.get(page("index"))

        with CaptureQueriesContext(connection) as queries:
            assert chief.get(page("tier-proposals")).status_code == 200

        assert len(queries) <= QUERIES_MAX


class TestDecisions:
    def test_all_stand_latest_first_and_page_by_number(self, chief, monkeypatch):
        monkeypatch.setattr("membership.tier_page.DECISIONS_SHOWN", 2)
        publish()
        members = [identity() for _ in range(3)]
        for one in members:
            gather(one, "2026-06-01", points=10000)
        first, second, third = (one.number for one in members)

        latest = chief.get(page("tier-decisions"))
        older = re.search(r'href="(\?before=\d+)"', latest.content.decode())[1]

        text = text_of(latest)
        assert text.index(third) < text.index(second)
        assert first not in text
        assert first in text_of(chief.get(page("tier-decisions") + older))

    def test_open_in_few_queries(self, chief):
        publish()
        for _ in range(5):
            gather(identity(), "2026-06-01", points=10000)
        chief.get(page("index"))

        with CaptureQueriesContext(connection) as queries:
            assert chief.get(page("tier-decisions")).status_code == 200

        assert len(queries) <= QUERIES_MAX

    @pytest.mark.parametrize("name", ["tier-decisions", "tier-proposals"])
    def test_are_closed_to_who_has_no_part_in_it(self, at_work, name):
        assert at_work("campaign manager").get(page(name)).status_code == 403
