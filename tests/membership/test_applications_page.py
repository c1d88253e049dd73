"""Staff decide who becomes a member (M6)."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from common.models import AuditRecord
from members.models import Application, Member
from partners.models import Placement
from tests.factories import application, member, plain, rulebook, store
from tests.membership.test_console import text_of

pytestmark = pytest.mark.django_db
LIST = "/console/members/application/"
PHONE = "+8613800138000"


@pytest.fixture(autouse=True)
def _rules():
    plain()


def page(made, name="change"):
    return reverse(f"admin:members_application_{name}", args=[made.pk])


def refuse(client, made, **told):
    told = {"reason": "NO_CUSTOMER", "words": "请先到店登记"} | told
    return client.post(page(made, "refuse"), told)


class TestTheList:
    def test_who_waits_longest_stands_first(self, boss):
        first, second, third = (application(f"+861380013800{n}") for n in range(3))
        refuse(boss, first)

        shown = boss.get(LIST).context["cl"].result_list

        assert list(shown) == [second, third, first]

    def test_phones_are_masked(self, boss):
        application(PHONE)

        answer = boss.get(LIST).content.decode()

        assert "138****8000" in answer
        assert "13800138000" not in answer


class TestOne:
    def test_shows_what_was_told_masked_and_who_it_may_be(self, boss):
        made = application(PHONE, email="wang@example.com", id_number="310101199001011237")
        taken = member(phone=PHONE)

        answer = boss.get(page(made))

        assert {"王小明", "138****8000", "w***@example.com", "***1237", taken.number} <= set(
            text_of(answer).split()
        )
        for secret in ("13800138000", "wang@example.com", "310101199001011237"):
            assert secret not in answer.content.decode().replace("w***@example.com", "")

    def test_is_approved_after_a_look(self, boss):
        made = application(PHONE)
        assert boss.get(page(made, "approve")).status_code == 200
        assert not Member.objects.exists()

        answer = boss.post(page(made, "approve"))

        assert answer["Location"] == page(made)
        one = Member.objects.get()
        assert one.phone == PHONE
        assert one.number in text_of(boss.get(page(made)))
        admitted = AuditRecord.objects.get(target=one.number, action="member.admitted")
        assert (admitted.actor.username, admitted.details) == (
            "boss", {"application": made.number},
        )  # fmt: skip

    def test_is_refused_with_a_reason_and_words(self, boss):
        made = application(PHONE)

        assert refuse(boss, made)["Location"] == page(made)

        assert "请先到店登记" in text_of(boss.get(page(made)))
        assert Application.objects.get().reason == "NO_CUSTOMER"

    @pytest.mark.parametrize(
        "told",
        [
            {"reason": ""},
            {"reason": "BECAUSE"},
            {"words": ""},
            {"words": "x" * 201},
            {"words": "来电 13912345678"},
        ],
    )
    def test_what_says_too_little_or_too_much_is_refused(self, boss, told):
        made = application(PHONE)

        answer = refuse(boss, made, **told)

        assert answer.status_code == 200
        assert answer.context["form"].errors
        assert Application.objects.get().is_waiting

    def test_decided_meanwhile_it_tells_so(self, boss):
        made = application(PHONE)
        refuse(boss, made)

        answer = boss.post(page(made, "approve"), follow=True)

        assert "Refused" in text_of(answer)
        assert not Member.objects.exists()
        assert boss.get(page(made, "approve"))["Location"] == page(made)

    def test_what_cannot_be_approved_tells_why(self, boss):
        made = application(PHONE)
        member(phone=PHONE)

        answer = boss.post(page(made, "approve"), follow=True)

        assert list(answer.context["messages"])
        assert Application.objects.get().is_waiting

    @pytest.mark.parametrize("key", ["0", "999999999999999999999", "x", "²"])
    def test_of_what_there_is_not(self, boss, key):
        assert boss.get(f"{LIST}{key}/change/").status_code in (302, 404)


class TestMany:
    def choose(self, client, *made, **more):
        chosen = {"action": "approve_chosen", "_selected_action": [each.pk for each in made]}
        return client.post(LIST, chosen | more)

    def test_are_approved_after_a_look_at_them_all(self, boss):
        first, second, third = (application(f"+861380013800{n}") for n in range(3))

        answer = self.choose(boss, first, second)
        assert {first.number, second.number} <= set(text_of(answer).split())
        assert third.number not in text_of(answer)
        assert not Member.objects.exists()
        self.choose(boss, first, second, confirmed="yes")

        assert Member.objects.count() == 2
        assert list(Application.objects.filter(state="APPLIED")) == [third]

    def test_one_that_cannot_be_approved_harms_no_other(self, boss):
        first, second = application(PHONE), application("+8613800138001")
        member(phone=PHONE)

        answer = boss.post(
            LIST,
            {
                "action": "approve_chosen",
                "_selected_action": [first.pk, second.pk],
                "confirmed": "yes",
            },
            follow=True,
        )

        assert first.number in text_of(answer)
        first.refresh_from_db()
        second.refresh_from_db()
        assert (first.state, second.state) == ("APPLIED", "APPROVED")

    def test_who_may_only_look_approves_nobody(self, at_work):
        made = application(PHONE)
        client = at_work("auditor")

        self.choose(client, made, confirmed="yes")
        assert client.post(page(made, "approve")).status_code == 403
        assert refuse(client, made).status_code == 403

        assert Application.objects.get().is_waiting


class TestTheCount:
    """Who may decide sees at once that somebody waits."""

    def badges(self, client):
        index = client.get(reverse("admin:index"))
        items = [item for group in index.context["sidebar_navigation"] for item in group["items"]]
        (badge,) = (item["badge"] for item in items if str(item["link"]) == LIST)
        return badge, re.search(r"applicants? waits? for your decision", text_of(index)) is not None

    def test_counts_those_that_wait_for_the_brand(self, at_work):
        care = at_work("customer care")
        assert self.badges(care) == (0, False)
        first, *_others = (application(f"+861380013800{n}") for n in range(3))
        assert self.badges(care) == (3, True)

        refuse(care, first)

        assert self.badges(care) == (2, True)

    def test_tells_those_who_only_look_nothing(self, at_work):
        application(PHONE)

        assert self.badges(at_work("auditor")) == (0, False)

    @pytest.mark.parametrize(("joining", "counted"), [("approved_by_dealer", 1), ("open", 0)])
    def test_counts_a_dealers_own_where_dealers_decide(self, at_work, joining, counted):
        rulebook(joining=joining, valid_from="1900-01-02")
        shop = store()
        dealer = at_work("dealer manager")
        Placement.objects.create(user=dealer.user, organization=shop.organization)
        application(PHONE, store=shop)
        application("+8613800138001")

        assert self.badges(dealer)[0] == counted
        assert self.badges(at_work("customer care"))[0] == 2

    def test_asks_no_more_than_the_count_of_approvals_did(self, boss):
        application(PHONE)
        boss.get(reverse("admin:rulebooks"))

        with CaptureQueriesContext(connection) as queries:
            boss.get(reverse("admin:rulebooks"))

        (counting,) = (each["sql"] for each in queries if "members_application" in each["sql"])
        assert "common_approval" in counting
