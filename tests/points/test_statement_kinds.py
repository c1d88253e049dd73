"""Each kind of entry in sentences: in English, which is what the code says."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.utils import translation

from campaigns import operations as campaigns
from members import operations as members
from messaging.models import Delivery, Message
from points import operations, queries, statements
from points.models import AdjustmentReason, Entry, EntryKind
from points.operations import PendingLine
from programme.policies import Lead, Notices
from tests.factories import buy, identity, lot, member, plain, rulebook, source, staff
from tests.factories.points import NOON

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_in_english")]
LAST_DAY = date(2027, 6, 30)


@pytest.fixture
def _in_english():
    with translation.override("en", deactivate=True):
        yield


def latest(of, *, nth=0, is_staff=False):
    """A line of the member's statement, the latest unless told; as staff read it if so."""
    entries = list(queries.statement(of.id))
    told = statements.around(entries)
    return statements.explain(entries[nth], told, statements.Reader(is_staff=is_staff))


def entry(of, seq):
    return Entry.objects.get(member_id=of.id, seq=seq)


def figures(line):
    return [(figure.points, figure.label) for figure in line.figures]


def earn(of, points, *, pending=(), reference="E-1", at=NOON):
    posting = operations.earn(
        member=of, points=points, at=at, expires_on=LAST_DAY, reference=reference,
        source=source(), pending=pending,
    )  # fmt: skip
    return entry(of, posting.seq)


def redeem(of, points, *, reference="X-1", at=NOON, **fields):
    posting = operations.redeem(
        member=of, points=points, at=at, reference=reference, source=source(), **fields
    )
    return entry(of, posting.seq)


def hold(of, points, *, minutes=30):
    posting = operations.hold(
        member=of, points=points, at=NOON, until=NOON + timedelta(minutes=minutes),
        reference="H-1", source=source(),
    )  # fmt: skip
    return entry(of, posting.seq)


def give_back(of, reference, amount, *, at=NOON):
    return campaigns.post_return(
        returned=campaigns.Return(
            purchase=campaigns.find_purchase(issuer_id=source().issuer_id, reference=reference),
            member=of,
            reference=f"{reference}-back",
            at=at,
            amount=Decimal(amount),
            source=source(),
        ),
        now=at,
    )


class TestWaiting:
    def test_an_earn_tells_from_when_what_waits_can_be_spent(self):
        who = identity()
        earn(who, 14, pending=[PendingLine("", 12, date(2026, 6, 29))])

        line = latest(who)

        assert figures(line) == [(14, ""), (12, "waiting")]
        assert line.sentences == ("12 points can be spent from June 29, 2026.",)

    def test_lines_that_wait_for_their_event_are_told_one_by_one(self):
        who = identity()
        earn(who, 0, pending=[PendingLine("2", 12, None), PendingLine("", 1, None)])

        line = latest(who)

        assert figures(line) == [(13, "waiting")]
        assert line.sentences == (
            "1 point waits until the service is confirmed.",
            "12 points wait until line 2 is confirmed.",
        )

    def test_when_they_have_vested_both_lines_say_so(self):
        plain()
        rulebook(vesting={"days": 14}, valid_from="2026-06-01")
        who = identity()
        buy(who, "268.00", reference="R-7")
        operations.vest_due(low=who.id, high=who.id, on=date(2026, 6, 29))

        earned, vested = latest(who, nth=1), latest(who)

        assert earned.sentences[-1] == "26 points waited until June 29, 2026."
        assert (vested.title, figures(vested)) == ("Points can be spent now", [(26, "")])
        assert vested.sentences == ("For purchase R-7 of June 15, 2026.",)
        assert vested.is_by_day
        assert vested.recorded_on is None

    def test_a_line_vested_by_its_event_is_named(self):
        plain()
        rulebook(vesting={"event": True}, valid_from="2026-06-01")
        who = identity()
        buy(who, "268.00", reference="R-7", lines=(("1", "parts", "68"), ("2", "labour", "200")))
        operations.vest(
            earned=entry(who, 1), line="2", at=NOON, reference="done-2", source=source()
        )

        assert latest(who).sentences == ("For line 2 of purchase R-7 of June 15, 2026.",)
        assert latest(who, nth=1).sentences[-2:] == (
            "20 points waited until June 15, 2026.",
            "6 points wait until line 1 is confirmed.",
        )

    def test_a_return_of_what_still_waits_says_so(self):
        plain()
        rulebook(vesting={"days": 14}, valid_from="2026-06-01")
        who = identity()
        buy(who, "100.00", reference="R-7")
        give_back(who, "R-7", "40.00")

        line = latest(who)

        assert figures(line) == [(-4, "waiting")]
        assert line.sentences[-1] == "4 points were still waiting."


class TestSpent:
    def test_a_redemption_tells_whose_points_it_took(self):
        who = identity()
        lot(who, 40, at=NOON - timedelta(days=104))
        lot(who, 100, at=NOON - timedelta(days=71))
        redeem(who, 60, note="Car wash")

        assert latest(who).sentences == (
            "Car wash",
            "Taken from the points of March 3, 2026 (40), April 5, 2026 (20).",
        )

    def test_lots_of_one_day_are_told_together_and_of_many_days_the_first(self):
        who = identity()
        for days in (9, 9, 8, 7, 6, 5):
            lot(who, 10, at=NOON - timedelta(days=days))
        redeem(who, 60)

        (told,) = latest(who).sentences
        assert told == (
            "Taken from the points of June 6, 2026 (20), June 7, 2026 (10), June 8, 2026 (10), "
            "2 other days (20)."
        )

    def test_a_hold_tells_until_when(self):
        who = identity()
        lot(who, 100)
        hold(who, 60)

        line = latest(who)

        assert (line.title, figures(line), line.balance_after) == ("Set aside", [(-60, "")], 40)
        assert line.sentences[0] == (
            "Until June 15, 2026, 12:30 p.m.; what is not spent by then comes back."
        )

    def test_a_hold_spent_in_part_and_what_came_back(self):
        who = identity()
        lot(who, 100)
        operations.confirm(held=hold(who, 60), points=45, at=NOON, source=source())

        held, spent, back = (latest(who, nth=nth) for nth in (2, 1, 0))

        assert held.sentences[0] == "45 of them were spent, 15 came back."
        assert (spent.title, spent.document) == ("Redemption", "H-1")
        assert (figures(spent), spent.balance_after) == ([(-45, "of those set aside")], 40)
        assert spent.sentences == (
            "Of the 60 points set aside on June 15, 2026, noon, 45 were spent.",
            "Taken from the points of June 15, 2026 (45).",
        )
        assert (back.title, figures(back)) == ("Came back", [(15, "")])
        assert back.sentences == (
            "Of the 60 points set aside on June 15, 2026, noon, these were not spent.",
            "They can be used until June 30, 2027.",
        )

    def test_a_hold_spent_whole(self):
        who = identity()
        lot(who, 100)
        operations.confirm(held=hold(who, 60), at=NOON, source=source())

        assert latest(who, nth=1).sentences[0] == "They were spent."
        assert latest(who).sentences[0] == (
            "The 60 points set aside on June 15, 2026, noon were spent."
        )

    def test_a_hold_nobody_came_for(self):
        who = identity()
        lot(who, 100)
        hold(who, 60)
        operations.release_overdue(low=who.id, high=who.id, at=NOON + timedelta(days=2))

        assert latest(who, nth=1).sentences[0] == "They came back."
        assert latest(who).sentences[0] == (
            "They had been set aside on June 15, 2026, noon and were not spent."
        )
        assert latest(who).recorded_on is None

    def test_a_correction_downwards_tells_what_it_took(self):
        who = identity()
        lot(who, 50)
        operations.adjust(
            member=who, points=-5, at=NOON, expires_on=LAST_DAY, note="秘密",
            reason=AdjustmentReason.DUPLICATE, reference="adj", source=source(), by=staff(),
        )  # fmt: skip

        assert latest(who).sentences == (
            "Corrected by our staff: Points were given twice.",
            "Taken from the points of June 15, 2026 (5).",
        )


class TestTakenBack:
    def test_a_return_names_what_it_took_of_other_points(self):
        plain()
        who = identity()
        lot(who, 5, at=NOON - timedelta(days=10), expires_on=date(2027, 12, 31))
        buy(who, "100.00", reference="R-1")
        redeem(who, 7)
        give_back(who, "R-1", "100.00")

        line = latest(who)

        assert (line.points, line.balance_after) == (-10, -2)
        assert line.sentences[2:] == (
            "Taken from the points of June 15, 2026 (3), June 5, 2026 (5).",
            "The balance is below zero; the next points make up for it first.",
        )

    def test_a_return_of_points_that_have_expired_tells_of_the_tier_alone(self):
        plain()
        who = identity()
        buy(who, "100.00", reference="R-1")
        operations.expire(low=who.id, high=who.id, on=date(2027, 8, 1))
        give_back(who, "R-1", "100.00", at=NOON + timedelta(days=500))

        line = latest(who)

        assert (line.points, line.balance_after) == (0, 0)
        assert line.sentences[-1] == (
            "The points were gone already; your tier points went down by 10."
        )


class TestGivenBack:
    def test_a_cancelled_redemption_is_named_with_the_last_day(self):
        who = identity()
        lot(who, 50)
        cancelled = redeem(who, 20)
        operations.reinstate(
            member=who, of=cancelled, at=NOON, reference="cancel", source=source(), floor_days=30,
            by=staff(), note="秘密",
        )  # fmt: skip

        line = latest(who)

        assert (line.title, line.document, figures(line)) == ("Given back", "", [(20, "")])
        assert line.sentences == (
            "Redemption X-1 of June 15, 2026 was cancelled.",
            "They can be used until June 30, 2027.",
        )

    def test_expired_points_come_back_as_goodwill(self):
        who = identity()
        lot(who, 50, expires_on=date(2026, 6, 20))
        operations.expire(low=who.id, high=who.id, on=date(2026, 7, 1))
        operations.reinstate(
            member=who, of=entry(who, 2), at=NOON + timedelta(days=20), reference="goodwill",
            source=source(), floor_days=30,
        )  # fmt: skip

        assert latest(who).sentences == (
            "As goodwill: these points had expired after June 20, 2026.",
            "They can be used until Aug. 4, 2026.",
        )


class TestEnded:
    def test_expired_points_tell_when_they_came_in(self):
        who = identity()
        lot(who, 50, expires_on=date(2027, 2, 28))
        redeem(who, 20)
        operations.expire(low=who.id, high=who.id, on=date(2027, 5, 1))

        assert latest(who).sentences == (
            "These points could be used until Feb. 28, 2027.",
            "They were the points of June 15, 2026 (30).",
        )

    def test_expired_points_tell_when_and_how_they_were_announced(self):
        who = identity(member(email="wang@example.com"))
        lot(who, 50, expires_on=date(2026, 6, 30))
        for day in (date(2026, 6, 1), date(2026, 6, 24)):
            due = operations.windows(Notices(before=(Lead(days=30), Lead(days=7))), day=day)
            operations.announce(low=who.id, high=who.id, due=due, at=queries.start_of_day(day))
        first, second = Message.objects.filter(member_id=who.id).order_by("pk")
        first.deliveries.update(state="SENT", sent_at=NOON)
        second.deliveries.filter(channel="EMAIL").update(state="FAILED", retry_at=None)
        second.deliveries.filter(channel="IN_APP").update(state="SENT", sent_at=NOON)
        operations.expire(low=who.id, high=who.id, on=date(2026, 7, 1))

        assert latest(who).sentences[-1] == (
            "Announced on June 1, 2026 (Inbox, E-mail), June 24, 2026 (Inbox)."
        )

    def test_a_notice_that_did_not_arrive_is_no_secret(self):
        who = identity()
        lot(who, 50, expires_on=date(2026, 6, 30))
        due = operations.windows(Notices(), day=date(2026, 6, 24))
        operations.announce(low=who.id, high=who.id, due=due, at=NOON)
        Delivery.objects.update(state="FAILED", sent_at=None, retry_at=None)
        operations.expire(low=who.id, high=who.id, on=date(2026, 7, 1))

        assert latest(who).sentences[-1] == "Announced on June 15, 2026 (it did not arrive)."

    def test_a_notice_of_other_points_of_that_day_does_not_count(self):
        who = identity()
        lot(who, 50, expires_on=date(2026, 6, 30))
        due = operations.windows(Notices(), day=date(2026, 6, 24))
        operations.announce(low=who.id, high=who.id, due=due, at=NOON)
        redeem(who, 50)
        lot(who, 5, expires_on=date(2026, 6, 30))
        operations.expire(low=who.id, high=who.id, on=date(2026, 7, 1))

        assert not any("Announced" in sentence for sentence in latest(who).sentences)

    def test_points_that_were_not_announced_live_longer_and_say_why(self):
        who = identity()
        lot(who, 50, expires_on=date(2026, 6, 30))
        operations.keep_unnoticed(
            low=who.id, high=who.id, day=date(2026, 6, 30), extension_days=30, zone="Asia/Shanghai"
        )

        assert latest(who).sentences == (
            "They had not been announced in time, so they can be used longer.",
            "The points of June 15, 2026 (50) can be used until July 30, 2026, not June 30, 2026.",
        )

    def test_an_account_that_lapsed_as_a_whole_says_so(self):
        who = identity()
        operations.earn(
            member=who, points=50, at=NOON, expires_on=date.max, reference="E", source=source(),
            lapses_on=date(2027, 12, 31),
        )  # fmt: skip
        operations.expire(low=who.id, high=who.id, on=date(2028, 1, 1))

        assert latest(who).sentences[:2] == (
            "These points could be used until Dec. 31, 2027.",
            "All points of the account ended on that day.",
        )

    def test_a_forfeiture_counts_what_waited(self):
        one = member()
        who = identity(one)
        earn(who, 5, pending=[PendingLine("", 12, None)])
        members.close(member_id=one.pk, closed_at=NOON, by=None, reason="wish")
        operations.forfeit(member_id=one.pk, at=NOON)

        waited, spendable = latest(who), latest(who, nth=1)

        assert (figures(spendable), figures(waited)) == ([(-5, "")], [(-12, "waiting")])
        assert waited.sentences[-1] == "12 points were still waiting."

    def test_a_new_last_day_tells_both(self):
        who = identity()
        lot(who, 50)
        operations.extend(
            member_id=who.id, moves=[(1, LAST_DAY, date(2027, 12, 31))], at=NOON, by=staff(),
            source=source(), note="秘密",
        )  # fmt: skip

        line = latest(who)

        assert (line.title, figures(line)) == ("New last day", [(0, "")])
        (told,) = line.sentences
        assert told == (
            "The points of June 15, 2026 (50) can be used until Dec. 31, 2027, not June 30, 2027."
        )

    def test_activation_starts_the_time_of_what_waited_for_it(self):
        plain()
        rulebook(clock="activation", valid_from="2026-06-01")
        one = member(active=False)
        buy(identity(one), "100.00")
        operations.start_clock(member_id=one.pk, activated_at=NOON + timedelta(days=30))

        assert latest(identity(one)).sentences == (
            "The membership was activated; the time of points that waited for it begins.",
            "The points of June 15, 2026 (10) can be used until July 31, 2027.",
        )


class TestBetweenMembers:
    @pytest.fixture
    def wang(self):
        return identity(member(name="王小明"))

    @pytest.fixture
    def li(self):
        return identity(member(name="李雷"))

    def transfer(self, giver, receiver, points=20):
        operations.transfer(
            giver=giver, receiver=receiver, points=points, at=NOON, reference="T-1",
            source=source(), limits=[], by=staff(), note="秘密",
        )  # fmt: skip

    def merge(self, one, into):
        operations.merge_accounts(
            member=one, into=into, at=NOON, source=source(), by=staff(), note="秘密"
        )

    def test_a_transfer_masks_the_other_member(self, wang, li):
        lot(wang, 50)
        self.transfer(wang, li)

        sent, received = latest(wang), latest(li)

        assert (sent.title, received.title) == ("Transferred", "Received")
        assert sent.sentences == (
            f"To 李**, member …{li.number[-4:]}.",
            "Taken from the points of June 15, 2026 (20).",
        )
        assert received.sentences == (f"From 王**, member …{wang.number[-4:]}.",)
        assert received.document == ""

    def test_staff_read_who_it_was(self, wang, li):
        lot(wang, 50)
        self.transfer(wang, li)

        assert latest(wang, is_staff=True).sentences[0] == f"To 李雷 {li.number}."

    def test_a_merge_says_where_the_points_went_and_came_from(self, wang, li):
        earn(wang, 50, pending=[PendingLine("", 12, date(2026, 6, 29))])
        self.merge(wang, li)

        gone, in_all, waits, came = latest(wang), *(latest(li, nth=nth) for nth in range(3))

        there = f"李**, member …{li.number[-4:]}"
        where = (
            f"From the account of 王**, member …{wang.number[-4:]}, which was joined with this one."
        )
        assert figures(gone) == [(-50, ""), (-12, "waiting")]
        assert gone.sentences == (
            f"This account was joined with that of {there}; all points went there.",
        )
        assert (figures(came), came.sentences) == ([(50, "")], (where,))
        assert figures(waits) == [(12, "waiting")]
        assert waits.sentences == (where, "12 points can be spent from June 29, 2026.")
        # The qualifying points.
        assert (figures(in_all), in_all.sentences) == ([(0, "")], (where,))

    def test_a_debt_that_comes_along_says_so(self, wang, li):
        plain()
        buy(wang, "100.00", reference="R-1")
        redeem(wang, 10)
        give_back(wang, "R-1", "100.00")
        lot(li, 50)
        self.merge(wang, li)

        assert latest(li).points == -10
        assert latest(li).sentences[1] == "What was missing there came along."

    def test_taking_a_merge_apart_is_told_otherwise_than_the_merge(self, wang, li):
        lot(wang, 50)
        for _ in range(2):
            self.merge(wang, li)
            operations.unmerge_accounts(
                member=wang, at=NOON, source=source(), by=staff(), note="秘密",
                after_spending="debt",
            )  # fmt: skip

        told = [latest(wang, nth=nth).sentences[0] for nth in range(4)]

        undone = (
            f"The joining with the account of 李**, member …{li.number[-4:]} was undone; "
            "these came back."
        )
        assert told[0] == told[2] == undone
        assert told[1] == told[3] != undone
        assert latest(li).sentences[0].endswith("was undone; these went back.")

    def test_a_return_after_a_merge_names_who_had_bought(self, wang, li):
        plain()
        buy(wang, "100.00", reference="R-1")
        self.merge(wang, li)
        give_back(wang, "R-1", "100.00")

        assert (
            f"The purchase was made by 王**, member …{wang.number[-4:]}, "
            "whose account was joined with this one."
        ) in latest(li).sentences


class TestAside:
    def test_tells_what_waits_and_what_is_held(self):
        who = identity()
        earn(
            who, 100, pending=[PendingLine("1", 20, date(2026, 7, 3)), PendingLine("2", 100, None)]
        )
        hold(who, 60)

        assert statements.aside(statements.on_account(who.id)) == [
            "120 points waiting, the first 20 until July 3, 2026",
            "60 points set aside at a till until June 15, 2026, 12:30 p.m.",
        ]

    def test_names_no_share_if_all_vest_on_one_day(self):
        who = identity()
        earn(who, 0, pending=[PendingLine("1", 1, date(2026, 7, 3))])

        assert statements.aside(statements.on_account(who.id)) == [
            "1 point waiting, until July 3, 2026"
        ]

    def test_names_no_day_where_an_event_decides(self):
        who = identity()
        earn(who, 0, pending=[PendingLine("1", 5, None)])

        assert statements.aside(statements.on_account(who.id)) == ["5 points waiting"]

    def test_is_silent_if_there_is_nothing(self):
        assert statements.aside(statements.on_account(identity().id)) == []


def test_every_kind_has_a_title_and_something_to_say():
    for kind in EntryKind:
        bare = Entry(
            member_id=1, seq=2, kind=kind, points=0, pending=0, held=0, qualifying=0,
            balance_after=0, effective_at=NOON, recorded_at=NOON,
        )  # fmt: skip
        line = statements.explain(bare, statements.Around(), statements.Reader())
        assert line.title, kind


def test_everything_around_a_page_is_read_in_four_queries(django_assert_num_queries):
    plain()
    wang, li = identity(), identity()
    for _ in range(12):
        lot(wang, 10)
    earn(wang, 5, pending=[PendingLine("", 12, date(2026, 6, 29))])
    redeem(wang, 60)
    hold(wang, 5)
    operations.transfer(
        giver=wang, receiver=li, points=7, at=NOON, reference="T", source=source(), limits=[]
    )
    operations.expire(low=wang.id, high=wang.id, on=date(2027, 7, 1))
    entries = list(queries.statement(wang.id))

    with django_assert_num_queries(4):
        told = statements.around(entries)
    with django_assert_num_queries(0):
        for each in entries:
            statements.explain(each, told, statements.Reader())
