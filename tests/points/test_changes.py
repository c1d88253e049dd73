"""Members are told of every entry that changes what they have, and of none twice (P10)."""

import threading
from datetime import date, timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.translation import override

from members import operations as members
from members.models import Member
from messaging import changes, operations, templates
from messaging.models import Channel, Choice, ChoiceSource, Delivery, Message, Purpose, Telling
from points import messages
from points import operations as points
from points.models import AdjustmentReason, Entry, EntryKind
from tests.concurrency import processes
from tests.concurrency.processes import Process
from tests.factories import identity, lot, member, plain, source, staff

NEVER_SOON = date(2099, 12, 31)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def tell(**options):
    return operations.tell_changes(
        clock=timezone.now, **{"behind": timedelta(0), "seconds": 60} | options
    )


def told(of, language="en"):
    """Template and text of a member's messages, oldest first."""
    with override(language):
        found = Message.objects.filter(member_id=of.id).order_by("pk")
        return [(each.template, templates.shown(each.template, each.variables)) for each in found]


def said(of):
    return [template for template, _text in told(of)]


def credit(of, amount=100, **options):
    return lot(of, amount, **{"at": timezone.now(), "expires_on": NEVER_SOON} | options)


def spend(of, amount, reference="R1"):
    return points.redeem(
        member=of, points=amount, at=timezone.now(), reference=reference, source=source()
    )


def entry(of, posting):
    return Entry.objects.get(member_id=of.id, seq=posting.seq)


@pytest.fixture
def of(db):
    plain()
    return identity()


class TestWhatIsSaid:
    def test_points_received_with_their_type_and_the_balance(self, of):
        credit(of, 1200)

        assert tell() == 1

        [(template, text)] = told(of)
        assert template == "points.received"
        assert text.subject == "Points received: 1,200"
        assert text.body == "Consumption points: 1,200. Balance after that: 1,200 points."
        message = Message.objects.get()
        assert message.key == f"points:{of.number}-1"
        assert message.delivered_at is not None, "it stands in the inbox"

    def test_points_that_wait_and_that_have_vested(self, of):
        earned = points.earn(
            member=of, points=0, at=timezone.now(), expires_on=NEVER_SOON, reference="E",
            source=source(), pending=[points.PendingLine("", 50, None)],
        )  # fmt: skip
        points.vest(
            earned=entry(of, earned), at=timezone.now(), reference="V", source=source(), line=""
        )
        tell()

        assert sorted(said(of)) == ["points.vested", "points.waiting"]

    def test_points_spent_at_once_and_out_of_a_hold(self, of):
        credit(of)
        spend(of, 10)
        held = points.hold(
            member=of, points=30, at=timezone.now(), until=timezone.now() + HOUR,
            reference="H", source=source(),
        )  # fmt: skip
        points.confirm(held=entry(of, held), at=timezone.now(), source=source(), points=20)
        tell()

        assert {text.subject for _template, text in told(of)} == {
            "Points received: 100",
            "Points spent: 10",
            "Points set aside: 30",
            "Points spent: 20",
            "Points that came back: 10",
        }

    def test_both_sides_of_a_transfer_and_only_the_end_of_the_others_number(self, of):
        to = identity()
        credit(of, 60)
        credit(of, 60, expires_on=NEVER_SOON - DAY)
        points.transfer(
            giver=of, receiver=to, points=100, at=timezone.now(), reference="T",
            source=source(), limits=[],
        )  # fmt: skip
        tell()

        sent = dict(told(of))["points.sent"]
        [(template, received)] = told(to)
        assert sent.subject == "Points sent: 100"
        assert f"…{to.number[-4:]}." in sent.body
        assert to.number not in sent.body
        # Out of two lots come two entries.
        assert Entry.objects.filter(member_id=to.id).count() == 2
        assert (template, received.subject) == ("points.transferred", "Points given to you: 100")

    @pytest.mark.parametrize(
        ("amount", "template", "subject"),
        [
            (7, "points.corrected_up", "Points added by our staff: 7"),
            (-7, "points.corrected_down", "Points taken off by our staff: 7"),
        ],
    )
    def test_a_correction_with_its_reason_in_the_readers_language(
        self, of, amount, template, subject
    ):
        credit(of)
        points.adjust(
            member=of, points=amount, at=timezone.now(), expires_on=NEVER_SOON,
            reason=AdjustmentReason.SYSTEM_ERROR, note="n", reference="A", source=source(),
            by=staff(),
        )  # fmt: skip
        tell()

        assert dict(told(of))[template].subject == subject
        assert "System error" in dict(told(of))[template].body
        assert "系统" in dict(told(of, "zh-hans"))[template].body

    def test_expiry_and_goodwill_after_it(self, of):
        today = timezone.localdate()
        credit(of, at=timezone.now() - DAY, expires_on=today - DAY)
        points.expire(low=of.id, high=of.id, on=today)
        expired = Entry.objects.get(member_id=of.id, kind=EntryKind.EXPIRE)
        points.reinstate(
            member=of, of=expired, at=timezone.now(), reference="G", source=source(),
            floor_days=30, by=staff(), note="sorry",
        )  # fmt: skip
        tell()

        assert {"points.expired", "points.goodwill"} <= set(said(of))

    def test_a_forfeiture_goes_by_e_mail_to_who_has_left(self, db):
        plain()
        one = member(email="wang@example.com")
        credit(identity(one))
        members.close(member_id=one.pk, closed_at=timezone.now(), by=None, reason="left")
        points.forfeit(member_id=one.pk, at=timezone.now())
        tell()

        message = Message.objects.get(template="points.forfeited")
        assert Delivery.objects.filter(message=message, channel="EMAIL", state="WAITING").exists()
        assert not Message.objects.exclude(pk=message.pk).exists(), "nothing else any more"

    def test_accounts_joined(self, of):
        other = identity()
        credit(other, 40)
        points.merge_accounts(
            member=other, into=of, at=timezone.now(), source=source(), by=staff(), note="one person"
        )
        tell()

        assert said(of) == ["points.moved_here"]
        assert "points.moved_away" in said(other)

    def test_every_kind_of_entry_has_its_words(self):
        assert set(messages.OF_KIND) == set(EntryKind)
        for name, variables in messages.VARIABLES.items():
            assert set(templates.template(name).variables) == set(variables)


class TestWhatIsNotSaid:
    def test_what_happened_long_before_it_was_recorded(self, of):
        """History that is imported or replayed must not fill anybody's inbox."""
        credit(of, at=timezone.now() - 8 * DAY)
        credit(of, 5, at=timezone.now() - 6 * DAY)

        assert tell() == 1
        assert told(of)[0][1].subject == "Points received: 5"

    def test_entries_of_who_is_not_activated(self, db):
        plain()
        credit(identity(active=False))

        assert tell() == 0

    def test_nothing_twice_however_often_it_is_walked(self, of):
        credit(of)
        tell()
        Telling.objects.update(until=timezone.now() - DAY)

        tell()

        assert Message.objects.count() == 1


class TestWhereItGoes:
    def reached(self, template):
        found = Delivery.objects.filter(message__template=template)
        return set(found.values_list("channel", flat=True))

    def both(self, of):
        credit(of)
        spend(of, 10)
        tell()
        return self.reached("points.received"), self.reached("points.redeemed")

    def test_credits_stay_in_the_inbox_debits_go_out_too(self, db):
        plain()
        one = identity(member(email="wang@example.com"))

        assert self.both(one) == ({"IN_APP"}, {"IN_APP", "EMAIL"})

    @pytest.mark.parametrize(
        ("purpose", "wanted", "expected"),
        [
            (Purpose.CREDIT, True, ({"IN_APP", "EMAIL"}, {"IN_APP", "EMAIL"})),
            (Purpose.DEBIT, False, ({"IN_APP"}, {"IN_APP"})),
        ],
    )
    def test_as_the_member_has_chosen(self, db, purpose, wanted, expected):
        plain()
        one = identity(member(email="wang@example.com"))
        operations.choose(
            member_id=one.id,
            wanted={(purpose, Channel.EMAIL): wanted},
            at=timezone.now(),
            source=ChoiceSource.PAGE,
        )
        assert Choice.objects.count() == 1

        assert self.both(one) == expected

    def test_what_is_asked_for_is_looked_at_again_before_it_leaves(self, db):
        """Credits no longer asked for do not leave."""
        plain()
        one = identity(member(email="wang@example.com"))
        for wanted in (True, False):
            operations.choose(
                member_id=one.id,
                wanted={(Purpose.CREDIT, Channel.EMAIL): wanted},
                at=timezone.now(),
                source=ChoiceSource.PAGE,
            )
            if wanted:
                credit(one)
                tell()

        operations.deliver_waiting(channel=Channel.EMAIL, clock=timezone.now)

        assert Delivery.objects.get(channel="EMAIL").state == "UNWANTED"


def test_posting_asks_nothing_of_messages(of):
    with CaptureQueriesContext(connection) as asked:
        credit(of)
        spend(of, 1)
    assert not [query for query in asked if "messaging" in query["sql"]]


def test_a_source_that_fails_keeps_no_other_waiting(of, monkeypatch, caplog):
    def fail(*_asked):
        raise ValueError("no")

    monkeypatch.setattr(changes, "_sources", {"broken": fail} | changes.sources())
    credit(of)

    assert tell() == 1
    assert "Members are not told of broken" in caplog.text


def test_a_span_with_too_much_in_it_is_cut(of, monkeypatch):
    from messaging.operations import _telling

    monkeypatch.setattr(_telling, "AT_ONCE", 1)
    others = [identity() for _ in range(3)]
    for each in others:
        credit(each)

    assert tell() == 3, "one instant is never cut"


@pytest.mark.django_db(transaction=True)
class TestAtTheSameTime:
    @pytest.fixture(autouse=True)
    def _processes(self):
        yield
        for process in list(processes.living):
            process.kill()

    def test_a_posting_that_commits_late_is_told_all_the_same(self):
        """It was recorded long before it commits: the walk waits for whoever is older."""
        plain()
        source()  # Where both buy: made within the slow one, the quick one would wait for it.
        slow, quick = identity(), identity()
        posted, go_on = threading.Event(), threading.Event()

        def post_slowly():
            with transaction.atomic():
                credit(slow)
                posted.set()
                go_on.wait(20)
            connection.close()

        worker = threading.Thread(target=post_slowly)
        worker.start()
        assert posted.wait(20)
        credit(quick)

        assert tell() == 0, "nothing is told past what is not committed"
        go_on.set()
        worker.join()

        assert tell() == 2
        assert said(slow) == said(quick) == ["points.received"]

    def test_killed_before_the_commit_nothing_is_lost_and_nothing_doubled(self, monkeypatch):
        from messaging.operations import _telling

        plain()
        everybody = [identity() for _ in range(3)]
        for each in everybody:
            credit(each)
        send_many = _telling.send_many

        def work(stop):
            monkeypatch.setattr(_telling, "send_many", lambda **named: (send_many(**named), stop()))
            tell()

        process = Process(work)
        assert process.stopped()
        assert tell() == 0, "another is at it"
        process.kill()
        assert not Message.objects.exists()

        assert tell() == 3
        assert [said(each) for each in everybody] == [["points.received"]] * 3
        assert tell() == 0

    def test_killed_after_the_commit_of_a_span_the_rest_follows(self, monkeypatch):
        from messaging.operations import _telling

        plain()
        early, late = identity(), identity()
        credit(early)
        tell()
        credit(early, 5)
        monkeypatch.setattr(_telling, "FIRST_SPAN", timedelta(milliseconds=1))
        step = _telling._tell

        def work(stop):
            def once(*args, **named):
                found = step(*args, **named)
                if found:
                    stop()
                return found

            monkeypatch.setattr(_telling, "_tell", once)
            tell()

        process = Process(work)
        assert process.stopped()
        process.kill()
        credit(late)

        tell()

        assert said(early) == ["points.received"] * 2
        assert said(late) == ["points.received"]
        assert Member.objects.filter(messages__isnull=False).distinct().count() == 2
