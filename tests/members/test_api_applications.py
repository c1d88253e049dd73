"""Enrolling over REST where somebody decides who may join (M6)."""

import pytest
from django.utils import timezone

from members import operations
from members.models import Application, Member, RefusalReason
from tests import factories
from tests.factories import rulebook, staff
from tests.members.test_api import WANG
from tests.till import Till, refused

pytestmark = pytest.mark.django_db


@pytest.fixture
def store():
    rulebook(joining="approved_by_dealer")
    return factories.store(code="S1")


@pytest.fixture
def till(store):
    return Till(factories.api_client(store.organization))


def made(answer):
    return answer.json()["application"]


class TestEnrolling:
    def test_is_answered_with_the_application(self, till, store):
        answer = till.send("members/", WANG)

        assert answer.status_code == 202
        one = Application.objects.get()
        assert answer.json() == {
            "application": one.number,
            "state": "APPLIED",
            "applied_at": answer.json()["applied_at"],
            "decided_at": None,
            "reason": "",
            "words": "",
            "member": None,
        }
        assert (one.store, one.channel, one.client.organization) == (
            store, "API", store.organization,
        )  # fmt: skip
        assert not Member.objects.exists()

    def test_the_same_again_is_the_same_application(self, till):
        first = till.send("members/", WANG)

        assert till.send("members/", WANG).content == first.content
        assert till.send("members/", WANG, key="k").content == first.content
        assert till.send("members/", WANG, key="k")["Idempotent-Replayed"] == "true"
        assert Application.objects.count() == 1

    def test_pre_registration_needs_nobodys_decision(self, till):
        assert till.send("members/", WANG | {"activate": False}).status_code == 201

    def test_another_dealer_learns_no_number(self, till):
        till.send("members/", WANG)
        theirs = factories.store(code="S2")
        other = Till(factories.api_client(theirs.organization))

        refused(other.send("members/", WANG | {"store": "S2"}), 409, "applied_elsewhere")

    @pytest.mark.parametrize(
        ("change", "status", "code"),
        [
            ({"phone": "123456"}, 422, "invalid_phone"),
            ({"store": "S9"}, 422, "unknown_store"),
            ({"birthday": "1800-01-01"}, 422, "invalid"),
            ({"product": {"identifier": "LSVAM4187C2184841"}}, 409, "product_taken"),
            ({"phone": "13900139000"}, 409, "phone_taken"),
            ({"consents": [{"purpose": "MARKETING", "text_version": 99}]},
             422, "unknown_consent_text"),
        ],
    )  # fmt: skip
    def test_what_could_not_be_approved_is_refused_now(self, till, change, status, code):
        taken = operations.ProductFacts(identifier="LSVAM4187C2184841")
        one = factories.member(phone="+8613900139000")
        operations.add_product(member_id=one.pk, product=taken, bound_at=timezone.now())

        refused(till.send("members/", WANG | change), status, code)

        assert not Application.objects.exists()

    def test_once_approved_a_repeat_finds_the_member(self, till):
        named = WANG | {"external_number": "C-1"}
        till.send("members/", named)
        one = operations.approve_application(
            application_id=Application.objects.get().pk, by=staff(), at=timezone.now()
        )

        answer = till.send("members/", named)

        assert (answer.status_code, answer.json()["number"]) == (200, one.number)


class TestReading:
    def test_tells_what_became_of_it(self, till):
        number = made(till.send("members/", WANG))
        assert till.ask(f"applications/{number}/").json()["state"] == "APPLIED"
        one = operations.approve_application(
            application_id=Application.objects.get().pk, by=staff(), at=timezone.now()
        )

        answer = till.ask(f"applications/{number}/").json()

        assert (answer["state"], answer["member"]) == ("APPROVED", one.number)

    def test_tells_why_it_was_refused(self, till):
        number = made(till.send("members/", WANG))
        operations.refuse_application(
            application_id=Application.objects.get().pk, reason=RefusalReason.DETAILS,
            words="姓名不符", by=staff(), at=timezone.now(),
        )  # fmt: skip

        answer = till.ask(f"applications/{number}/").json()

        assert (answer["state"], answer["reason"], answer["words"], answer["member"]) == (
            "REFUSED", "DETAILS", "姓名不符", None,
        )  # fmt: skip

    def test_only_of_ones_own(self, till, store):
        number = made(till.send("members/", WANG))
        other = Till(factories.api_client(factories.store(code="S2").organization))
        sister = factories.store(store.organization, code="S3")
        narrowed = Till(factories.api_client(store.organization, stores=[sister]))
        brand = Till(factories.api_client(factories.brand()))

        refused(other.ask(f"applications/{number}/"), 404, "unknown_application")
        refused(narrowed.ask(f"applications/{number}/"), 404, "unknown_application")
        assert brand.ask(f"applications/{number}/").status_code == 200

    @pytest.mark.parametrize("number", ["A0000000000", "A9999999993", "M0000000018", "x", "A1"])
    def test_of_what_there_is_not(self, till, number):
        refused(till.ask(f"applications/{number}/"), 404, "unknown_application")

    def test_needs_the_scope(self, store):
        till = Till(factories.api_client(store.organization, scopes=["points:read"]))

        refused(till.ask("applications/A0000000018/"), 403, "insufficient_scope")
