"""Joining where somebody decides who may (M6): applications, and what is kept of them."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from common import events, personal
from common.errors import DomainError, Invalid
from common.models import AuditRecord, OutboxEvent
from members import applications, nightly, operations
from members.models import (
    Application,
    ApplicationState,
    Consent,
    ConsentChannel,
    ConsentPurpose,
    ExternalNumber,
    Member,
    Product,
    RefusalReason,
)
from members.numbers import application_key
from members.operations import Agreed, ProductFacts, Profile, Wish, Word
from messaging.models import Message
from points.models import Entry
from tests.factories import consent_text, member, rulebook, staff, store
from tests.factories.activities import named, rewarding

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 6, 15, 4, tzinfo=UTC)
PHONE = "+8613800138000"
BRAND, DEALER = "approved_by_brand", "approved_by_dealer"


@pytest.fixture(autouse=True)
def _asked():
    rulebook(joining=BRAND)


def wish(phone=PHONE, *, store=None, channel=ConsentChannel.WEB, words=(), **more) -> Wish:
    known = {"name": "王小明", "phone": phone} | more.pop("profile", {})
    return Wish(
        profile=Profile(**known),
        agreed=Agreed(words=words, channel=channel),
        store_id=store.pk if store else None,
        **more,
    )


def apply(phone=PHONE, at=NOON, **more) -> Application:
    found = operations.join(wish=wish(phone, **more), at=at)
    assert isinstance(found, Application)
    return found


def approve(application, at=NOON):
    return operations.approve_application(application_id=application.pk, by=staff(), at=at)


def refuse(application, words="请先到店登记", at=NOON):
    return operations.refuse_application(
        application_id=application.pk,
        reason=RefusalReason.NO_CUSTOMER,
        words=words,
        by=staff(),
        at=at,
    )


def stored(application) -> tuple:
    """As the database has it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT phone, phone_index, told, words FROM members_application WHERE id = %s",
            [application.pk],
        )
        return cursor.fetchone()


class TestJoining:
    def test_is_open_unless_the_rulebook_says_else(self):
        rulebook(valid_from="2026-06-15")

        enrolled = operations.join(wish=wish(), at=NOON)

        assert enrolled.member.status == "ACTIVE"
        assert not Application.objects.exists()

    def test_is_open_before_there_are_rules(self):
        assert not applications.are_asked_for(date(1800, 1, 1))

    def test_makes_an_application_and_nobody_a_member(self):
        made = apply("138 0013 8000")

        assert (made.state, made.applied_at, made.phone) == ("APPLIED", NOON, PHONE)
        assert made.number.startswith("A")
        assert application_key(made.number) == made.pk
        assert not Member.objects.exists()
        assert [row.action for row in AuditRecord.objects.exclude(action="version.published")] == [
            "application.made"
        ]
        assert not OutboxEvent.objects.exists()

    def test_what_was_told_is_sealed(self):
        phone, index, told, _words = stored(apply())

        assert "13800138000" not in phone
        assert "王小明" not in told
        assert PHONE.encode() not in bytes(index)

    def test_pre_registered_buyers_need_nobodys_decision(self):
        enrolled = operations.join(wish=wish(), at=NOON, active=False)

        assert enrolled.member.status == "PRE_REGISTERED"

    def test_twice_by_one_phone_is_one_application(self):
        first = apply()

        assert apply("13800138000", profile={"name": "别的"}).pk == first.pk
        assert Application.objects.count() == 1

    def test_who_applied_elsewhere_is_not_applied_for_by_another_dealer(self):
        apply(store=(own := store()), channel=ConsentChannel.API)

        assert apply(store=own, channel=ConsentChannel.API)
        assert apply()  # on the web, with the phone proven, it is the applicant's own
        with pytest.raises(operations.AppliedElsewhere):
            apply(store=store(), channel=ConsentChannel.API)

    def test_who_applied_on_the_web_without_a_store_is_no_dealers(self):
        apply()

        with pytest.raises(operations.AppliedElsewhere):
            apply(store=store(), channel=ConsentChannel.API)

    @pytest.mark.parametrize(
        ("more", "refusal"),
        [
            ({"profile": {"birthday": date(1800, 1, 1)}}, "birthday_out_of_range"),
            ({"profile": {"attributes": {"shoe": 1}}}, "unknown_attribute"),
            ({"product": ProductFacts(identifier="?")}, "invalid_product_identifier"),
            ({"phone": "12"}, "invalid_phone"),
            ({"words": [Word(purpose=ConsentPurpose.MARKETING, is_given=True, text_version=9)]},
             "unknown_consent_text"),
        ],
    )  # fmt: skip
    def test_what_could_not_be_approved_is_refused_now(self, more, refusal):
        with pytest.raises(DomainError) as refused:
            apply(**more)

        assert refused.value.code == refusal
        assert not Application.objects.exists()
        assert not AuditRecord.objects.exclude(action="version.published").exists()
        assert not OutboxEvent.objects.exists()

    def test_a_members_phone_is_taken(self):
        member(phone=PHONE)

        with pytest.raises(operations.PhoneTaken):
            apply()

    def test_rules_published_later_leave_who_applied_waiting(self):
        made = apply()
        rulebook(valid_from="2026-06-15")

        assert approve(made, at=NOON).phone == PHONE


class TestApproving:
    def test_makes_the_member_that_open_joining_would(self):
        """Everything that is told of a member and of what follows is the same, one by one."""
        own, words = store(), [Word(purpose=ConsentPurpose.SERVICE, is_given=True)]
        consent_text("SERVICE")
        told = {
            "store": own,
            "words": words,
            "product": ProductFacts(
                identifier="lsvam4187c2184841", name="朗逸", purchased_on=date(2026, 1, 2),
                selling_organization_id=own.organization_id,
            ),
            "profile": {
                "email": "wang@example.com", "sex": "MALE", "birthday": date(1990, 2, 28),
                "province": "上海市", "city": "上海市", "id_number": "310101199001011237",
                "attributes": {"interests": ["food"]},
            },
        }  # fmt: skip
        at = NOON + timedelta(days=3)
        approved = approve(apply(**told), at=at)
        seen = self.seen(approved)
        operations.close(member_id=approved.pk, closed_at=at, by=None, reason="")
        Product.objects.update(owned_until=date(2026, 6, 18))
        OutboxEvent.objects.all().delete()
        rulebook(valid_from="2026-06-15")

        opened = operations.join(wish=wish(**told), at=at).member

        assert seen == self.seen(opened)
        assert seen["joined_at"] == at

    def seen(self, one):
        rows = {
            name: getattr(one, name)
            for name in (
                "status", "name", "name_spelled", "name_parts", "sex", "birthday", "phone", "email",
                "id_number", "province", "city", "attributes", "enrolling_store_id", "joined_at",
                "activated_at",
            )
        }  # fmt: skip
        products = Product.objects.filter(member=one).values_list(
            "identifier", "name", "purchased_on", "selling_organization"
        )
        told = OutboxEvent.objects.exclude(name="application.ended").order_by("pk")
        return rows | {
            "products": list(products),
            "consents": list(
                Consent.objects.filter(member=one).values_list("purpose", "channel", "actor")
            ),
            "events": [(each.name, each.subscriber) for each in told],
        }

    def test_gifts_of_joining_come_as_ever(self):
        rewarding(
            gifts=[named("hi", when="joined", points="7")],
            policies={"joining": BRAND},
            valid_from="2026-06-14",
        )
        one = approve(apply())

        events.deliver_waiting(now=timezone.now())

        assert Entry.objects.get(member=one).points == 7

    def test_what_they_agreed_to_counts_from_when_they_did_with_the_text_they_read(self):
        consent_text("MARKETING")
        made = apply(words=[Word(purpose=ConsentPurpose.MARKETING, is_given=True)])
        operations.publish_consent_text(
            purpose=ConsentPurpose.MARKETING, texts={"zh-hans": "新"}, at=NOON, by=staff()
        )

        one = approve(made, at=NOON + timedelta(days=5))

        word = Consent.objects.get(member=one)
        assert (word.at, word.text.version, word.channel) == (NOON, 1, "WEB")

    def test_keeps_who_did_it_and_nothing_personal_beside_the_member(self):
        made, boss = apply(), staff()

        one = operations.approve_application(application_id=made.pk, by=boss, at=NOON)

        made.refresh_from_db()
        assert (made.state, made.decided_by, made.member) == ("APPROVED", boss, one)
        assert stored(made) == ("", None, "", "")
        row = AuditRecord.objects.get(action="application.approved")
        assert (row.actor, row.target, row.details) == (boss, made.number, {"member": one.number})

    def test_the_member_is_told(self):
        made = apply()
        one = approve(made)

        events.deliver_waiting(now=timezone.now())
        OutboxEvent.objects.update(delivered_at=None)
        events.deliver_waiting(now=timezone.now())

        assert [m.key for m in Message.objects.filter(member=one)] == [
            f"messaging.application_approved:{made.number}"
        ]

    def test_what_the_enrolling_refuses_leaves_it_waiting(self):
        made = apply()
        member(phone=PHONE)

        with pytest.raises(operations.PhoneTaken):
            approve(made)

        made.refresh_from_db()
        assert made.is_waiting
        assert not AuditRecord.objects.filter(action="application.approved").exists()

    def test_a_repeat_over_rest_finds_the_member(self):
        own = store()
        told = {"store": own, "channel": ConsentChannel.API}
        outside = (own.organization_id, "C-1")
        one = approve(apply(external=outside, **told))

        found = operations.join(wish=wish(external=outside, **told), at=NOON)

        assert (found.member, found.replayed) == (one, True)
        assert ExternalNumber.objects.get().member == one

    def test_links_what_the_same_person_asked_for_before(self):
        before = refuse(apply())

        one = approve(apply())

        before.refresh_from_db()
        assert before.member == one
        assert len(personal_section(one)) == 2
        personal.erase([one.pk])
        assert stored(before) == ("", None, "", "")
        assert personal.left([one.pk]) == {}


def personal_section(of):
    (section,) = [each for each in personal.sections() if each.name == "members.applications"]
    return section.tell(of.pk)


class TestRefusing:
    def test_says_why_and_to_whom(self):
        made, boss = apply(), staff()

        operations.refuse_application(
            application_id=made.pk, reason=RefusalReason.DETAILS, words=" 姓名不符 ", by=boss,
            at=NOON,
        )  # fmt: skip

        made.refresh_from_db()
        assert (made.state, made.reason, made.words) == ("REFUSED", "DETAILS", "姓名不符")
        assert (made.decided_by, made.decided_at) == (boss, NOON)
        assert not Member.objects.exists()
        assert AuditRecord.objects.get(action="application.refused").details == {
            "reason": "DETAILS"
        }

    @pytest.mark.parametrize(
        ("words", "code"),
        [("", "words_missing"), ("  ", "words_missing"), ("请联系 13912345678", "names_somebody")],
    )
    def test_without_words_or_with_somebodys_phone_is_none(self, words, code):
        made = apply()

        with pytest.raises(Invalid) as refusal:
            refuse(made, words)

        assert refusal.value.code == code
        made.refresh_from_db()
        assert made.is_waiting

    def test_may_apply_again(self):
        first = refuse(apply())

        assert apply().pk != first.pk

    @pytest.mark.parametrize("end", [approve, refuse])
    def test_happens_once(self, end):
        made = apply()
        refuse(made)

        with pytest.raises(operations.ApplicationEnded):
            end(made)

        assert OutboxEvent.objects.filter(name="application.ended").count() == 1


class TestWithdrawing:
    def test_takes_it_back_and_forgets_it_at_once(self):
        made = apply()

        operations.withdraw_application(phone="13800138000", at=NOON)

        made.refresh_from_db()
        assert (made.state, made.decided_by) == ("WITHDRAWN", None)
        assert stored(made) == ("", None, "", "")
        assert applications.to_show(PHONE) is None

    def test_what_does_not_wait_cannot_be_taken_back(self):
        refuse(apply())

        with pytest.raises(operations.NothingApplied):
            operations.withdraw_application(phone=PHONE, at=NOON)


class TestNights:
    @pytest.mark.parametrize(("days", "left"), [(10, 1), (9, 0), (None, 1)])
    def test_let_lapse_what_waited_for_too_long(self, days, left):
        asked = {"application_days": days} if days else {}
        rulebook(valid_from="2026-06-15", joining=BRAND, **asked)
        apply()

        for _again in range(2):
            nightly.expire_applications(day=date(2026, 6, 25))

        assert Application.objects.filter(state="APPLIED").count() == left
        assert Application.objects.filter(state="EXPIRED").count() == 1 - left

    def test_forget_who_was_turned_down_after_ninety_days(self):
        made = refuse(apply())

        nightly.forget_applications(day=date(2026, 9, 13))
        assert stored(made)[1] is not None
        nightly.forget_applications(day=date(2026, 9, 14))

        assert stored(made) == ("", None, "", "")
        made.refresh_from_db()
        assert (made.state, made.reason) == ("REFUSED", "NO_CUSTOMER")


class TestHints:
    def test_tell_who_may_be_here_already(self):
        person = {"name": "王小明", "birthday": date(1990, 1, 1)}
        same = member(phone="+8613900138000", id_number="310101199001011237", **person)
        owner = member()
        operations.take_fingerprints(low=0, high=2**31)
        facts = ProductFacts(identifier="LSVAM4187C2184841")
        made = apply(profile=person | {"id_number": "310101 19900101 1237"}, product=facts)
        operations.add_product(member_id=owner.pk, product=facts, bound_at=NOON)
        taken = member(phone=PHONE)

        found = [(one, str(why)) for one, why in applications.alike(made)]

        assert [one for one, _why in found] == [taken, owner, same, same]
        assert len({why for _one, why in found}) == 4

    def test_tell_nothing_of_one_that_is_forgotten(self):
        member(phone=PHONE)
        made = Application.objects.create(
            state="APPLIED", applied_at=NOON, channel="WEB", phone=PHONE, phone_index=b"x"
        )
        operations.refuse_application(
            application_id=made.pk, reason=RefusalReason.OTHER, words="x", by=staff(), at=NOON
        )
        Application.objects.update(phone="", phone_index=None, told="")
        made.refresh_from_db()

        assert list(applications.alike(made)) == []


class TestTheTable:
    """What the database refuses whoever asks."""

    @pytest.mark.parametrize(
        "change",
        [
            {"state": "APPLIED", "decided_at": None, "decided_by": None, "reason": "", "words": ""},
            {"reason": "OTHER"},
            {"applied_at": NOON + timedelta(days=1)},
            {"channel": "API"},
            {"words": "另一句"},
        ],
    )
    def test_an_application_ends_once(self, change):
        made = refuse(apply())

        with pytest.raises(DatabaseError), transaction.atomic():
            Application.objects.filter(pk=made.pk).update(**change)

    @pytest.mark.parametrize("change", [{"phone_index": b"other"}, {"store": True}])
    def test_what_was_asked_for_stays(self, change):
        made = apply()
        change = {"store": store()} if "store" in change else change

        with pytest.raises(DatabaseError), transaction.atomic():
            Application.objects.filter(pk=made.pk).update(**change)

    def test_it_is_made_before_it_ends(self):
        with pytest.raises(DatabaseError), transaction.atomic():
            Application.objects.create(
                state=ApplicationState.WITHDRAWN, applied_at=NOON, decided_at=NOON, channel="WEB"
            )

    def test_it_may_be_sealed_anew(self):
        from common import resealing

        made = apply()
        Application.objects.filter(pk=made.pk).update(phone=PHONE)
        columns = {column.table for column in resealing.sealed_columns()}

        assert "members_application" in columns
