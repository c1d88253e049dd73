"""Four eyes at the console (X1): who sees what waits, and whose buttons do something."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from common import approvals
from common.models import Approval, AuditRecord, User
from tests.factories import plain, staff
from tests.membership.conftest import console
from tests.wishes import PERMISSION, wish

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wishing")]
QUERIES_MAX = 10
LIST = "/console/common/approval/"


def login(name: str, *, may_decide=False) -> User:
    """Somebody who sees what waits, as every role that can ask does."""
    user = staff(username=name, is_superuser=False)
    user.groups.add(Group.objects.get(name="customer care"))
    if may_decide:
        codename = PERMISSION.partition(".")[2]
        user.user_permissions.add(Permission.objects.get(codename=codename))
    return user


@pytest.fixture
def alice() -> User:
    return login("alice")


@pytest.fixture
def bob() -> Client:
    return console(login("bob", may_decide=True))


@pytest.fixture
def asked(alice) -> Approval:
    return wish(by=alice, at=timezone.now() - timedelta(days=3, hours=1))


def page(approval, name="change"):
    return reverse(f"admin:common_approval_{name}", args=[approval.pk])


def text_of(response) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def buttons(response) -> list[str]:
    return [str(button.title) for _link, button in response.context["buttons"]]


def state_of(approval) -> str:
    approval.refresh_from_db()
    return approval.state


class TestList:
    def test_tells_who_asked_for_what_why_and_since_when(self, bob, asked):
        text = text_of(bob.get(LIST))

        for told in (
            "愿望 cake · 数量 1,200",
            "M0000000018",
            "生日",
            "alice",
            "Pending",
            "3 days",
        ):
            assert told in text, told

    def test_what_waits_longest_stands_first_then_the_latest_decision(self, bob, alice):
        now = timezone.now()
        old, decided_first, decided_last, new = (
            wish(by=alice, reference=name) for name in ("old", "first", "last", "new")
        )
        boss = staff()
        for n, approval in enumerate((decided_first, decided_last)):
            approvals.approve(approval_id=approval.pk, by=boss, at=now + timedelta(minutes=n))

        rows = list(bob.get(LIST).context["cl"].result_list)

        assert rows == [old, new, decided_last, decided_first]

    def test_filters_by_state(self, bob, alice, asked):
        withdrawn = wish(by=alice, reference="W2")
        approvals.withdraw(approval_id=withdrawn.pk, by=alice, at=timezone.now())

        rows = bob.get(LIST, {"state__exact": "WITHDRAWN"}).context["cl"].result_list

        assert list(rows) == [withdrawn]

    def test_opens_in_few_queries_with_fifty_rows(self, bob, django_assert_max_num_queries):
        for n in range(52):
            wish(reference=f"many-{n}")

        with django_assert_max_num_queries(QUERIES_MAX):
            response = bob.get(LIST)

        assert len(response.context["cl"].result_list) == 50

    def test_reads_no_more_than_it_shows(self, bob):
        """Both orders stand in one index: a page of fifty never sorts the whole table."""
        queryset = bob.get(LIST).context["cl"].queryset

        assert str(queryset.query).endswith(
            'ORDER BY "common_approval"."decided_at" DESC, "common_approval"."id" ASC'
        )

    def test_shows_a_kind_of_an_older_release_as_it_stands(self, bob, asked, monkeypatch):
        monkeypatch.setattr(approvals, "_kinds", {})

        text = text_of(bob.get(LIST))

        assert "test.wish" in text
        assert "what cake" in text

    def test_nothing_can_be_added_or_deleted(self, asked):
        boss = console(staff())

        assert boss.get(f"{LIST}add/").status_code == 403
        assert boss.post(page(asked, "delete"), {"post": "yes"}).status_code == 403
        assert state_of(asked) == "PENDING"


class TestPage:
    def test_shows_the_buttons_to_who_may_decide(self, bob, asked):
        response = bob.get(page(asked))

        assert buttons(response) == ["Approve", "Reject"]
        assert "数量 1,200" in text_of(response)

    def test_shows_who_asked_a_way_back_and_no_way_to_approve(self, alice, asked):
        response = console(alice).get(page(asked))

        assert buttons(response) == ["Withdraw"]
        assert page(asked, "approve") not in response.content.decode()

    def test_shows_a_superuser_no_way_to_approve_their_own(self):
        boss = staff()

        assert buttons(console(boss).get(page(wish(by=boss)))) == ["Withdraw"]

    def test_shows_others_no_button(self, asked):
        assert buttons(console(login("charlie")).get(page(asked))) == []

    def test_shows_a_decision_and_no_more_buttons(self, bob, asked):
        approvals.reject(
            approval_id=asked.pk, by=staff(username="boss"), at=timezone.now(), note="没有单据"
        )

        response = bob.get(page(asked))

        assert buttons(response) == []
        for told in ("Rejected", "boss", "没有单据"):
            assert told in text_of(response)

    def test_of_what_nothing_does_any_more_a_superuser_is_offered_to_reject(
        self, bob, asked, monkeypatch
    ):
        monkeypatch.setattr(approvals, "_kinds", {})

        assert buttons(console(staff()).get(page(asked))) == ["Reject"]
        assert buttons(bob.get(page(asked))) == []

    def test_opens_in_few_queries(self, bob, asked, django_assert_max_num_queries):
        with django_assert_max_num_queries(QUERIES_MAX):
            bob.get(page(asked))

    @pytest.mark.parametrize("pk", ["999999", "x", "9" * 40, "²"])
    def test_an_unknown_one_is_404(self, bob, pk):
        assert bob.get(f"{LIST}{pk}/change/").status_code == 404
        assert bob.post(f"{LIST}{pk}/approve/", follow=True).status_code == 404

    def test_text_of_staff_stays_text(self, bob, alice):
        approval = wish(
            by=alice,
            payload={"what": "<b>x</b>"},
            target="<i>M1",
            reason="<script>alert(1)</script>",
        )

        for response in (bob.get(LIST), bob.get(page(approval))):
            content = response.content.decode()
            assert "<b>x" not in content
            assert "<i>M1" not in content
            assert "<script>alert" not in content


class TestDecide:
    def test_asks_first_and_performs_on_confirmation(self, bob, asked):
        form = bob.get(page(asked, "approve"))
        assert "done at once" in text_of(form)
        assert state_of(asked) == "PENDING"

        response = bob.post(page(asked, "approve"), {"note": "好"}, follow=True)

        assert state_of(asked) == "APPROVED"
        assert (asked.decided_by.username, asked.note) == ("bob", "好")
        assert "Approved and done." in text_of(response)
        assert AuditRecord.objects.get(action="wish.granted").actor.username == "bob"

    def test_sent_twice_it_is_done_once(self, bob, asked):
        bob.post(page(asked, "approve"), {"note": ""})
        second = bob.post(page(asked, "approve"), {"note": ""}, follow=True)

        assert "decided already: Approved" in text_of(second)
        assert AuditRecord.objects.filter(action="wish.granted").count() == 1

    def test_rejects_with_a_note_only(self, bob, asked):
        blank = bob.post(page(asked, "reject"), {"note": " "})
        assert blank.context["form"].errors
        assert state_of(asked) == "PENDING"

        bob.post(page(asked, "reject"), {"note": "没有单据"})

        assert state_of(asked) == "REJECTED"

    @pytest.mark.parametrize("note", ["字" * 501, "a\0b"])
    def test_refuses_notes_that_cannot_be_kept(self, bob, asked, note):
        assert bob.post(page(asked, "approve"), {"note": note}).context["form"].errors
        assert state_of(asked) == "PENDING"

    def test_withdraws(self, alice, asked):
        console(alice).post(page(asked, "withdraw"), {"note": ""})

        assert state_of(asked) == "WITHDRAWN"

    def test_says_what_the_operation_refused_and_leaves_it_pending(self, bob, alice):
        approval = wish(by=alice, payload={"what": "the moon"})

        response = bob.post(page(approval, "approve"), {"note": ""}, follow=True)

        assert "The moon is out of reach." in text_of(response)
        assert buttons(response) == ["Approve", "Reject"]
        assert state_of(approval) == "PENDING"
        assert not AuditRecord.objects.filter(action="approval.approved").exists()

    @pytest.mark.parametrize("name", ["approve", "reject"])
    def test_ones_own_is_refused_whatever_is_posted(self, name):
        boss = staff()
        approval = wish(by=boss)
        client = console(boss)

        asked_for = client.get(page(approval, name))
        posted = client.post(page(approval, name), {"note": "x"}, follow=True)

        assert asked_for.url == page(approval)
        assert "somebody else must decide" in text_of(posted)
        assert state_of(approval) == "PENDING"

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("approve", "may not decide"),
            ("reject", "may not decide"),
            ("withdraw", "Only who asked"),
        ],
    )
    def test_is_refused_to_who_may_only_look(self, asked, name, said):
        client = console(login("charlie"))

        posted = client.post(page(asked, name), {"note": "x"}, follow=True)

        assert client.get(page(asked, name)).url == page(asked)
        assert said in text_of(posted)
        assert state_of(asked) == "PENDING"

    @pytest.mark.parametrize("name", ["approve", "reject", "withdraw", "change"])
    def test_is_forbidden_to_who_may_not_look(self, asked, name):
        user = staff(is_superuser=False)
        user.groups.add(Group.objects.get(name="store clerk"))
        user.user_permissions.add(Permission.objects.get(codename=PERMISSION.partition(".")[2]))
        client = console(user)

        assert client.get(page(asked, name)).status_code == 403
        assert client.post(page(asked, name), {"note": "x"}).status_code == 403
        assert state_of(asked) == "PENDING"

    def test_needs_the_forms_token(self, asked):
        client = Client(enforce_csrf_checks=True)
        client.force_login(login("bob", may_decide=True))

        assert client.post(page(asked, "approve"), {"note": ""}).status_code == 403
        assert state_of(asked) == "PENDING"

    def test_needs_a_login(self, asked, client):
        response = client.post(page(asked, "approve"), {"note": ""})

        assert response.url.startswith(reverse("admin:login"))
        assert state_of(asked) == "PENDING"


class TestStart:
    @pytest.fixture(autouse=True)
    def _rules(self):
        plain()

    def badge(self, response):
        [item] = [
            item
            for group in response.context["sidebar_navigation"]
            for item in group["items"]
            if str(item["link"]) == LIST
        ]
        return item["badge"]

    def test_counts_what_waits_for_this_login(self, bob, alice, asked):
        wish(by=alice, reference="W2")

        response = bob.get("/console/")

        assert "2 requests wait for your decision" in text_of(response)
        assert self.badge(response) == 2

    def test_is_silent_to_who_may_not_decide_and_to_who_asked(self, alice, asked):
        boss = staff()
        approvals.withdraw(approval_id=asked.pk, by=alice, at=timezone.now())
        wish(by=boss, reference="own")

        for user in (alice, boss):
            response = console(user).get("/console/")
            assert "your decision" not in text_of(response)
            assert not self.badge(response)

    def test_counts_once_for_a_page(self, asked, django_assert_max_num_queries):
        client = console(staff())

        with django_assert_max_num_queries(QUERIES_MAX):
            response = client.get("/console/")

        assert self.badge(response) == 1
