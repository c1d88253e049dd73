"""Rights are booked, delivered with a proof, undone in time, and rated."""

import base64
from datetime import timedelta

import pytest
from django.db import connection

from benefits import operations, queries
from benefits.models import Picture, Proof, Rating, Right, Step
from common import personal, resealing
from common.models import AuditRecord
from members import cards
from members import operations as members
from members.queries import MemberFrozen, MemberNotActivated
from points import operations as ledger
from tests.benefits.plan import (
    always,
    deliver,
    discount,
    left,
    night,
    noon,
    on,
    publish,
    rights,
    service,
    stand,
    steps,
)
from tests.factories import identity, source, staff, store

pytestmark = pytest.mark.django_db

JPEG = b"\xff\xd8\xff\xe0" + b"0" * 100
DAY = "2026-07-05"


@pytest.fixture
def of():
    publish(
        service("wash", t1=2),
        service("check", "year", t1=1),
        always("tow", "t1"),
        always("lane", "t1", kind="standing"),
        discount("off", t1="90"),
    )
    one = on("t1")
    night("2026-07-01")
    return one


@pytest.fixture
def year_too(of):
    night("2026-01-01")
    return of


def in_the_table():
    with connection.cursor() as cursor:
        cursor.execute("SELECT content FROM benefits_picture")
        return cursor.fetchone()[0]


def card(of, day=DAY):
    return operations.Shown(proof=Proof.CARD, card=cards.code(of.id, at=noon(day)))


class TestDelivering:
    def test_takes_one_and_leaves_the_rest(self, of):
        where, clerk = store(), staff()

        right = deliver(of, "wash", who=operations.Who(by=clerk, store_id=where.pk), note="ok")

        assert rights(of) == [
            ("wash", "2026-07", 1, "DELIVERED"),
            ("wash", "2026-07", 2, "GRANTED"),
        ]
        assert left(of, "wash") == 1
        assert (right.store, right.delivered_at) == (where, noon(DAY))
        last = Step.objects.get(right=right, nth=2)
        assert (last.kind, last.proof, last.actor, last.store, last.at, last.note) == (
            "DELIVERED", "STORE", clerk, where, noon(DAY), "ok",
        )  # fmt: skip
        record = AuditRecord.objects.get(action="right.delivered")
        assert (record.target, record.actor) == (of.number, clerk)

    def test_what_lapses_first_goes_first(self, year_too):
        publish(service("wash", t1=2, lapse_days=100), valid_from="2026-08-01")
        night("2026-08-01")
        # July's rights are gone; those of August last longer than their month.
        Right.objects.filter(ordinal=2, period="2026-08").update(last_on="2026-08-20")

        assert deliver(year_too, "wash", "2026-08-05").ordinal == 2

    def test_nothing_left(self, of):
        deliver(of, "wash")
        deliver(of, "wash")

        with pytest.raises(operations.NothingLeft):
            deliver(of, "wash")
        assert Step.objects.filter(kind="DELIVERED").count() == 2

    @pytest.mark.parametrize(
        ("benefit", "refusal"),
        [
            ("nothing", operations.UnknownBenefit),
            ("off", operations.NotCounted),
            ("lane", operations.NotCounted),
            ("check", operations.NothingLeft),
        ],
    )
    def test_only_what_is_counted_and_granted(self, of, benefit, refusal):
        with pytest.raises(refusal):
            deliver(of, benefit)

    def test_past_its_last_day_never(self, of):
        with pytest.raises(operations.NothingLeft):
            deliver(of, "wash", "2026-08-01")

    def test_what_is_not_counted_is_there_as_often_as_it_is_used(self, of):
        for _ in range(3):
            deliver(of, "tow")

        assert [each[:3] for each in rights(of, state="DELIVERED")] == [
            ("tow", "2026", n) for n in (1, 2, 3)
        ]
        assert left(of, "tow") is None

    def test_not_by_who_is_below_the_tier(self, of):
        with pytest.raises(operations.NothingLeft):
            deliver(identity(), "tow")

    def test_not_by_who_is_frozen_or_not_activated(self, of):
        members.freeze(member_id=of.id, by=staff(), reason="test")

        with pytest.raises(MemberFrozen):
            deliver(identity_again(of), "wash")
        with pytest.raises(MemberNotActivated):
            deliver(identity(active=False), "wash")

    def test_what_an_earlier_version_granted_can_be_used(self, of):
        publish(service("other", t1=1), valid_from="2026-07-03")

        assert deliver(of, "wash").state == "DELIVERED"


def identity_again(of):
    from members.queries import identify

    return identify(of.number)


class TestTheProof:
    def test_the_members_code(self, of):
        right = deliver(of, "wash", shown=card(of))

        assert Step.objects.get(right=right, kind="DELIVERED").proof == "CARD"

    def test_another_members_code_is_none(self, of):
        with pytest.raises(operations.AnotherMembersCode):
            deliver(of, "wash", shown=card(identity()))
        assert left(of, "wash") == 2

    def test_an_old_code_is_none(self, of):
        with pytest.raises(cards.CardExpired):
            deliver(of, "wash", shown=card(of, "2026-07-04"))

    def test_a_code_is_judged_by_when_it_is_told(self, of):
        at = noon(DAY)
        code = card(of)

        right = operations.deliver(
            member=of, benefit="wash", shown=code, at=at - timedelta(hours=2), now=at
        )

        assert right.delivered_at == at - timedelta(hours=2)

    def test_a_photo_is_kept(self, of):
        right = deliver(of, "wash", shown=operations.Shown(proof=Proof.PHOTO, picture=JPEG))

        picture = Picture.objects.get(step__right=right)
        assert (picture.media_type, picture.content) == ("image/jpeg", JPEG)

    def test_a_photo_is_sealed_and_sealed_anew_with_a_new_key(self, of, settings):
        deliver(of, "wash", shown=operations.Shown(proof=Proof.PHOTO, picture=JPEG))
        column = next(
            each for each in resealing.sealed_columns() if each.label == "benefits_picture.content"
        )
        stored = in_the_table()
        settings.FIELD_KEYS = [f"k2:{base64.b64encode(b'n' * 32).decode()}", *settings.FIELD_KEYS]

        assert sum(resealing.reseal(column)) == 1

        settings.FIELD_KEYS = settings.FIELD_KEYS[:1]
        assert Picture.objects.get().content == JPEG
        assert [each.partition(":")[0] for each in (stored, in_the_table())] == ["k1", "k2"]
        assert JPEG not in base64.b64decode(stored.partition(":")[2])

    @pytest.mark.parametrize(
        ("picture", "refusal"),
        [
            (b"", operations.NotAProof),
            (b"GIF89a" + b"0" * 50, operations.NotAPicture),
            (b"<svg onload=alert(1)>", operations.NotAPicture),
            (b"\xff\xd8\xff" + b"0" * 2_000_000, operations.NotAPicture),
        ],
    )
    def test_what_is_no_small_picture_is_refused(self, of, picture, refusal):
        shown = operations.Shown(proof=Proof.SIGNATURE, picture=picture)
        with pytest.raises(refusal):
            deliver(of, "wash", shown=shown)
        assert left(of, "wash") == 2

    def test_a_note_names_nobody(self, of):
        with pytest.raises(personal.NamesSomebody):
            deliver(of, "wash", note="来电 138 0013 8000")


class TestBooking:
    def book(self, of, day="2026-07-10", **more):
        return operations.book(
            member=of, benefit="wash", booked_for=noon(day), at=noon(DAY), **more
        )

    def test_keeps_one_for_a_time_and_a_store(self, of):
        where = store()

        right = self.book(of, who=operations.Who(store_id=where.pk))

        assert (right.state, right.booked_for, right.store) == ("BOOKED", noon("2026-07-10"), where)
        assert steps(right) == [(1, "GRANTED"), (2, "BOOKED")]

    @pytest.mark.parametrize("day", ["2026-07-04", "2026-08-01"])
    def test_neither_in_the_past_nor_after_its_last_day(self, of, day):
        with pytest.raises(operations.BookedInThePast):
            self.book(of, day)

    def test_each_right_once(self, of):
        self.book(of)
        self.book(of)

        with pytest.raises(operations.NothingLeft):
            self.book(of)

    def test_delivering_there_and_then_takes_the_one_that_is_booked(self, of):
        where = store()
        booked = self.book(of, who=operations.Who(store_id=where.pk))

        right = deliver(of, "wash", "2026-07-10", who=operations.Who(store_id=where.pk))

        assert right == booked

    def test_delivering_elsewhere_leaves_it(self, of):
        where = store()
        booked = self.book(of, who=operations.Who(store_id=where.pk))

        right = deliver(of, "wash", "2026-07-10", who=operations.Who(store_id=store().pk))

        assert right != booked


class TestUndoing:
    def undo(self, right, minutes=5, **more):
        who = more.pop("who", operations.Who(store_id=right.store_id))
        at = right.delivered_at + timedelta(minutes=minutes)
        return operations.undo(right_id=right.pk, at=at, who=who, **more)

    def test_gives_it_back(self, of):
        right = deliver(of, "wash")

        undone = self.undo(right, minutes=15)

        assert (undone.state, undone.delivered_at) == ("GRANTED", None)
        assert steps(right) == [(1, "GRANTED"), (2, "DELIVERED"), (3, "UNDONE")]
        assert left(of, "wash") == 2
        assert AuditRecord.objects.filter(action="right.undone").count() == 1

    def test_what_was_booked_is_booked_again(self, of):
        operations.book(member=of, benefit="wash", booked_for=noon(DAY), at=noon("2026-07-02"))

        assert self.undo(deliver(of, "wash")).state == "BOOKED"

    def test_not_after_the_minutes_the_rules_allow(self, of):
        right = deliver(of, "wash")

        with pytest.raises(operations.TooLateToUndo):
            self.undo(right, minutes=16)
        assert Right.objects.get(pk=right.pk).state == "DELIVERED"

    def test_only_by_who_delivered_it_or_the_office(self, of):
        right = deliver(of, "wash", who=operations.Who(store_id=store().pk))
        elsewhere = operations.Who(by=staff(), store_id=store().pk)

        with pytest.raises(operations.UnknownRight):
            self.undo(right, who=elsewhere)
        assert self.undo(right, who=elsewhere, by_office=True).state == "GRANTED"

    def test_twice_is_refused(self, of):
        right = deliver(of, "wash")
        self.undo(right)

        with pytest.raises(operations.WrongRightState):
            operations.undo(right_id=right.pk, at=noon(DAY), who=operations.NOBODY)

    def test_what_was_made_as_it_was_used_is_gone(self, of):
        right = deliver(of, "tow")

        assert (self.undo(right).state, right.benefit) == ("ENDED", "tow")


class TestRating:
    def rate(self, right, of, stars=5, words="很好"):
        return operations.rate(
            right_id=right.pk, member_id=of.id, stars=stars, words=words, at=noon(DAY)
        )

    def test_notes_stars_and_words(self, of):
        right = deliver(of, "wash")

        rating = self.rate(right, of, 4)

        assert (rating.stars, rating.words) == (4, "很好")
        assert Right.objects.get(pk=right.pk).state == "RATED"

    @pytest.mark.parametrize("stars", [0, 6, -1])
    def test_one_to_five_stars(self, of, stars):
        with pytest.raises(operations.NotStars):
            self.rate(deliver(of, "wash"), of, stars)

    def test_once(self, of):
        right = deliver(of, "wash")
        self.rate(right, of)

        with pytest.raises(operations.WrongRightState):
            self.rate(right, of, 1)
        assert Rating.objects.get().stars == 5

    def test_only_ones_own(self, of):
        with pytest.raises(operations.UnknownRight):
            self.rate(deliver(of, "wash"), identity())

    def test_the_words_go_with_the_member(self, of):
        right = deliver(of, "wash", shown=operations.Shown(proof=Proof.PHOTO, picture=JPEG))
        self.rate(right, of)

        personal.erase([of.id])

        assert Rating.objects.get().words == ""
        assert not Picture.objects.exists()
        assert personal.left([of.id]) == {}


class TestTwoMembershipsOfOnePerson:
    @pytest.fixture
    def other(self, of):
        one = on("t1")
        night("2026-07-01")
        return one

    def merge(self, other, of):
        ledger.merge_accounts(
            member=other, into=of, at=noon(DAY), source=source(), by=staff(), note="one person"
        )
        self.follow(other, of)

    def follow(self, other, of):
        operations.follow_merge(
            member_id=other.id, into_id=of.id, at=noon(DAY), day=noon(DAY).date()
        )

    def test_have_each_right_once(self, of, other):
        self.merge(other, of)

        assert left(of, "wash") == 2
        assert [state for *_rest, state in rights(other)] == ["ENDED", "ENDED"]
        self.follow(other, of)
        assert Step.objects.filter(kind="ENDED").count() == 2

    def test_what_the_other_used_counts(self, of, other):
        deliver(other, "wash")

        self.merge(other, of)

        assert left(of, "wash") == 1

    def test_what_only_the_other_has_can_be_used(self, of, other):
        Right.objects.filter(member=of.id).update(state="LAPSED")

        self.merge(other, of)

        assert deliver(of, "wash").member_id == other.id
        with pytest.raises(ledger.AccountMerged):
            deliver(other, "wash")

    def test_the_night_grants_the_one_who_stays(self, of, other):
        self.merge(other, of)

        assert night("2026-08-01") == 2
        assert left(of, "wash", "2026-08-02") == 2

    def test_taken_apart_each_has_their_own_again(self, of, other):
        self.merge(other, of)

        ledger.unmerge_accounts(
            member=other,
            at=noon(DAY),
            source=source(),
            by=staff(),
            note="two",
            after_spending="debt",
        )
        self.follow(other, of)

        assert (left(of, "wash"), left(other, "wash")) == (2, 2)
        assert steps(Right.objects.filter(member=other.id).first())[1:] == [
            (2, "ENDED"), (3, "RESTORED"),
        ]  # fmt: skip


def test_what_a_member_has_is_told_in_few_queries(of, django_assert_num_queries):
    queries.offers(of.id, noon(DAY).date())

    with django_assert_num_queries(2):
        found = queries.offers(of.id, noon(DAY).date())

    assert [(each.benefit.code, each.left) for each in found] == [
        ("wash", 2), ("check", 0), ("tow", None), ("lane", None), ("off", None),
    ]  # fmt: skip


def test_the_best_discount_of_the_day_counts():
    publish(
        discount("off", t1="90"),
        discount("labour", categories=["labour"], t1="80"),
        discount("member-day", days_of_month=[8], t1="75"),
    )
    one = identity()
    stand(one, "t1")

    def pays(day, category=""):
        found = queries.discounts_on(one.id, noon(day).date())
        best = queries.best_discount(found, category=category)
        return best and str(best[1].pays)

    assert pays("2026-07-05") == "90"
    assert pays("2026-07-05", "labour") == "80"
    assert pays("2026-07-08", "labour") == "75"
    assert queries.discounts_on(identity().id, noon("2026-07-08").date()) == []
