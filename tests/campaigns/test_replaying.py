import csv
from datetime import date, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone, translation

from common import jobs
from members import operations as members
from members.models import ExternalNumber, Member
from points import nightly, queries
from points.models import Account, Activity, Entry
from tests import factories
from tests.data import reference_calculation
from tests.factories.activities import cap, kind, rewarding

DATA = Path(__file__).parents[1] / "data"
EVENTS = DATA / "events_small.csv"
HEADER = "at,kind,member,reference,amount,points,original"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _programme(db):
    factories.main_store()
    factories.plain()
    with translation.override("en"):
        yield


@pytest.fixture
def write(tmp_path):
    def write(*rows, header=HEADER):
        path = tmp_path / "events.csv"
        path.write_text("\n".join([header, *rows, ""]), encoding="utf-8")
        return path

    return write


def replay(path, *options):
    out = StringIO()
    call_command("replay", str(path), *options, stdout=out, stderr=StringIO())
    return dict(line.split() for line in out.getvalue().splitlines())


def refused(path, *options):
    """Row → code of what was refused, from the lines on stderr."""
    err = StringIO()
    with pytest.raises(CommandError, match="events were refused"):
        call_command("replay", str(path), *options, stdout=StringIO(), stderr=err)
    lines = [line.removeprefix("row ").split(": ") for line in err.getvalue().splitlines()]
    return {int(number): code for number, code, *_sentence in lines}


def totals(day):
    found = queries.totals(as_of=day)
    return (found.earned, found.redeemed, found.taken_back, found.expired, found.outstanding)


def expected_on_every_day():
    with EVENTS.open(encoding="utf-8") as file:
        days = reference_calculation.play(csv.DictReader(file))
    first, last = min(days), max(days)
    every = (first + timedelta(days=n) for n in range((last - first).days + 2))
    return {day: reference_calculation.totals(days, day) for day in every}


class TestTheProof:
    def test_the_figures_in_the_repository_are_those_of_the_calculation(self):
        expected = expected_on_every_day()
        with (DATA / "expected_small.csv").open() as file:
            kept = {date.fromisoformat(row.pop("as_of")): row for row in csv.DictReader(file)}

        assert len(kept) > 100
        for day, row in kept.items():
            assert tuple(map(int, row.values())) == expected.get(day, tuple(map(int, row.values())))

    def test_a_replayed_history_adds_up_on_every_day_before_and_after_the_last_nights(self):
        expected = expected_on_every_day()

        report = replay(EVENTS, "--enroll")

        assert report | {"seconds": "0"} == {
            "events": "97",
            "posted": "97",
            "repeated": "0",
            "enrolled": "11",
            "refused": "0",
            "seconds": "0",
        }
        assert {day: totals(day) for day in expected} == expected
        # It must prove something: every kind of change, and a debt.
        assert all(max(expected.values())[:4])
        assert Account.objects.filter(balance__lt=0).exists()

        last = max(expected)
        nightly.expire_due_lots(day=last)
        assert {day: totals(day) for day in expected} == expected
        assert nightly.verify_ledger(day=last)["differences"] == 0

    def test_playing_it_again_changes_nothing(self, write):
        header, *rows = EVENTS.read_text(encoding="utf-8").splitlines()
        path = write(*rows[:55], header=header)
        replay(path, "--enroll", "--until", "2024-05-15")
        assert set(Entry.objects.values_list("kind", flat=True)) == {
            "EARN", "REDEEM", "REVERSE", "EXPIRE"
        }  # fmt: skip
        before = list(Entry.objects.order_by("member", "seq").values())

        report = replay(path, "--enroll", "--until", "2024-05-15")

        assert (report["posted"], report["repeated"], report["enrolled"]) == ("0", "55", "0")
        assert list(Entry.objects.order_by("member", "seq").values()) == before


class TestTheClock:
    def test_the_night_lies_between_the_last_day_and_the_next(self, write):
        path = write(
            "2023-01-31,purchase,C1,P-1,100.00,,",
            "2024-01-31T23:59:59,redemption,C1,R-1,,4,",
            "2024-02-01,redemption,C1,R-2,,1,",
        )

        assert refused(path, "--enroll") == {4: "insufficient_points"}

        assert [(entry.kind, entry.points) for entry in Entry.objects.order_by("seq")] == [
            ("EARN", 10),
            ("REDEEM", -4),
            ("EXPIRE", -6),
        ]

    def test_every_job_runs_every_night_from_the_first_day_to_the_last(self, write, monkeypatch):
        nights = []
        monkeypatch.setattr(jobs, "_register", jobs._Register())
        for order, name in enumerate(["first", "second", "upkeep"]):
            jobs.nightly(
                name=name,
                order=order,
                title=name,
                plan=lambda day: [(1, 1)],
                figures={},
                upkeep=name == "upkeep",
            )(lambda *, day, low, high, name=name: nights.append((name, day)) or {})
        path = write(
            "2024-02-28T23:00:00,purchase,C1,P-1,100.00,,",
            "2024-03-01,purchase,C1,P-2,100.00,,",
            "2024-03-01,purchase,C1,P-3,100.00,,",
        )

        replay(path, "--enroll", "--until=2024-03-02")

        days = [date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1), date(2024, 3, 2)]
        assert nights == [(name, day) for day in days for name in ("first", "second")]

    def test_what_is_out_of_order_is_refused_and_time_does_not_go_back(self, write):
        path = write(
            "2024-03-01,purchase,C1,P-1,100.00,,",
            "2024-02-29T23:59:59,purchase,C1,P-2,100.00,,",
            "2024-02-29T16:00:00Z,purchase,C1,P-3,100.00,,",  # the first moment of 1 March
            "2024-02-30,purchase,C1,P-4,100.00,,",
        )

        assert refused(path, "--enroll") == {3: "out_of_order", 5: "invalid_date"}
        assert set(Activity.objects.values_list("reference", flat=True)) == {"P-1", "P-3"}

    def test_the_future_is_for_sandboxes(self, write, settings):
        day = (timezone.localdate() + timedelta(days=40)).isoformat()
        path = write(f"{day},purchase,C1,P-1,100.00,,")
        settings.SANDBOX = False

        assert refused(path, "--enroll") == {2: "dated_in_future"}
        with pytest.raises(CommandError, match="future"):
            replay(path, "--until", day)
        assert not Activity.objects.exists()

        settings.SANDBOX = True
        assert replay(path, "--enroll", "--until", day)["posted"] == "1"


class TestEvents:
    def test_returns_take_back_by_the_document_and_only_once(self, write):
        path = write(
            "2024-01-10,purchase,C1,P-1,100.00,,",
            "2024-01-11,return,C1,T-1,55.00,,P-1",
            "2024-01-11,return,C1,T-1,55.00,,P-1",
        )

        report = replay(path, "--enroll")

        assert (report["posted"], report["repeated"]) == ("2", "1")
        assert totals(date(2024, 1, 11)) == (10, 0, 6, 0, 4)

    @pytest.mark.parametrize(
        ("row", "code"),
        [
            ("2024-01-11,return,C1,T-1,100.01,,P-1", "return_exceeds_purchase"),
            ("2024-01-11,return,C1,T-1,10.00,,P-9", "unknown_purchase"),
            ("2024-01-11,return,C2,T-1,10.00,,P-1", "unknown_purchase"),
            ("2024-01-11,return,C9,T-1,10.00,,P-1", "unknown_member"),
            ("2024-01-11,return,C1,T-1,10.00,5,P-1", "superfluous_value"),
            ("2024-01-11,redemption,C1,R-1,,11,", "insufficient_points"),
            ("2024-01-11,redemption,C1,R-1,,0,", "points_out_of_range"),
            ("2024-01-11,redemption,C1,R-1,,-1,", "invalid_points"),
            ("2024-01-11,redemption,C1,R-1,,1.5,", "invalid_points"),
            ("2024-01-11,redemption,C1,R-1,,1e1,", "invalid_points"),
            ("2024-01-11,redemption,C1,R-1,,٣,", "invalid_points"),
            ("2024-01-11,redemption,C1,R-1,,99999999999999999999,", "invalid_points"),
            ("2024-01-11,redemption,C1,,,1,", "invalid_reference"),
            ("2024-01-11,redemption,C1," + "x" * 65 + ",,1,", "invalid_reference"),
            ("2024-01-11,redemption,C1,R-1,5.00,1,", "superfluous_value"),
            ("2024-01-11,purchase,C1,P-1,100.01,,", "reference_reused"),
            ("2024-01-11,purchase,C1,P-3,-1.00,,", "invalid_amount"),
            ("2024-01-11,purchase,C1,P-3,1.00,1,", "superfluous_value"),
            ("2024-01-11,purchase,C1,P-3,1.00,,P-1", "superfluous_value"),
            ("2024-01-11,purchase,C\0,P-3,1.00,,", "unknown_member"),
            ("2024-01-11,purchase,,P-3,1.00,,", "unknown_member"),
            ("2024-01-11,gift,C1,G-1,1.00,,", "unknown_kind"),
            ("2024-01-11,,C1,G-1,1.00,,", "unknown_kind"),
            ("2024-01-11,purchase,C1,P-3", "ragged_row"),
        ],
    )
    def test_a_refused_event_changes_nothing_and_the_others_are_played(self, write, row, code):
        path = write(
            "2024-01-10,purchase,C1,P-1,100.00,,",
            "2024-01-10,purchase,C2,P-2,100.00,,",
            row,
            "2024-01-12,redemption,C1,R-9,,10,",
        )

        assert refused(path, "--enroll") == {4: code}

        assert Activity.objects.count() == 2
        assert Member.objects.count() == 2
        assert totals(date(2024, 1, 12)) == (20, 10, 0, 0, 10)

    def test_nobody_joins_with_a_refused_purchase(self, write):
        path = write(
            "2024-01-10,purchase,C1,P-1,100.00,,",
            "2024-01-10,purchase,C7,P-1,100.00,,",
        )

        assert refused(path, "--enroll") == {3: "reference_reused"}
        assert [each.number for each in ExternalNumber.objects.all()] == ["C1"]

    def test_only_purchases_enroll_and_only_when_asked(self, write):
        path = write("2024-01-10,purchase,C1,P-1,100.00,,", "2024-01-10,redemption,C2,R-1,,1,")

        assert refused(path) == {2: "unknown_member", 3: "unknown_member"}
        assert not Member.objects.exists()
        assert refused(path, "--enroll") == {3: "unknown_member"}

    def test_members_are_named_by_our_number_too_and_the_frozen_are_refused(self, write):
        free, frozen = factories.member(), factories.member()
        members.freeze(member_id=frozen.pk, by=factories.staff(), reason="x")
        path = write(
            f"2024-01-10,purchase,{free.number},P-1,100.00,,",
            f"2024-01-10,purchase,{frozen.number},P-2,100.00,,",
        )

        assert refused(path) == {3: "member_frozen"}

    def test_the_store_is_the_brands_first_unless_told(self, write):
        store = factories.store(code="GZ")
        path = write("2024-01-10,purchase,C1,P-1,100.00,,")

        replay(path, "--enroll")
        replay(path, "--enroll", "--store", "GZ")

        stores = set(Activity.objects.values_list("store", flat=True))
        assert stores == {factories.main_store().pk, store.pk}

    def test_refused_rows_go_to_a_file(self, write, tmp_path):
        path = write("2024-01-10,gift,=C1,P-1,100.00,,")

        refused(path, "--enroll", f"--errors={tmp_path / 'errors.csv'}")

        with (tmp_path / "errors.csv").open(encoding="utf-8-sig") as file:
            [row] = csv.DictReader(file)
        assert (row["row"], row["code"], row["member"]) == ("2", "unknown_kind", "'=C1")


class TestActivities:
    HEADER = HEADER + ",activity"

    @pytest.fixture(autouse=True)
    def _rewarding(self, _programme):
        rewarding(
            valid_from="2020-01-01",
            kinds=[kind("check-in", 2, once_per="day"), kind("event", 50)],
            caps=[cap("half", "event", share="50", of_type="consumption")],
        )

    ROWS = (
        "2024-01-10T09:00:00+08:00,activity,C1,E-0,,,,event",
        "2024-01-10T10:00:00+08:00,purchase,C1,P-1,268.00,,,",
        "2024-01-10T11:00:00+08:00,activity,C1,E-1,,,,event",
        "2024-01-10T12:00:00+08:00,activity,C2,C-1,,,,check-in",
        "2024-01-10T13:00:00+08:00,activity,C2,C-2,,,,check-in",
        "2024-01-11T12:00:00+08:00,activity,C2,C-3,,,,check-in",
    )

    def test_are_played_between_purchases(self, write):
        report = replay(write(*self.ROWS, header=self.HEADER), "--enroll")

        assert (report["posted"], report["enrolled"]) == ("6", "2")
        worth = Activity.objects.order_by("occurred_at").values_list("reference", "points")
        assert list(worth) == [
            ("E-0", 0), ("P-1", 26), ("E-1", 13), ("C-1", 2), ("C-2", 0), ("C-3", 2),
        ]  # fmt: skip

    def test_again_change_nothing(self, write):
        path = write(*self.ROWS, header=self.HEADER)
        replay(path, "--enroll")

        assert replay(path, "--enroll")["repeated"] == "6"
        assert Entry.objects.count() == 4

    @pytest.mark.parametrize(
        ("row", "code"),
        [
            ("activity,C1,E-1,,,,dance", "unknown_activity"),
            ("activity,C1,E-1,,,,", "unknown_activity"),
            ("activity,C1,E-1,1.00,,,event", "superfluous_value"),
            ("activity,C1,E-1,,1,,event", "superfluous_value"),
            ("activity,C1,E-1,,,P-1,event", "superfluous_value"),
            ("purchase,C1,P-1,1.00,,,event", "superfluous_value"),
            ("redemption,C1,R-1,,1,,event", "superfluous_value"),
            ("return,C1,T-1,1.00,,P-1,event", "superfluous_value"),
        ],
    )
    def test_one_that_is_refused_changes_nothing(self, write, row, code):
        path = write(f"2024-01-10,{row}", self.ROWS[1], header=self.HEADER)

        assert refused(path, "--enroll") == {2: code}
        assert Activity.objects.count() == Member.objects.count() == 1


class TestFiles:
    def test_missing_columns_are_named(self, write):
        with pytest.raises(CommandError, match="points, original"):
            replay(write("1,2,3,4,5", header="at,kind,member,reference,amount"))

    def test_a_header_alone_plays_nothing_and_no_night(self, write):
        report = replay(write(), "--until", "2024-01-01")

        assert report["events"] == "0"

    def test_an_unknown_store(self, write):
        with pytest.raises(CommandError, match="unknown_store"):
            replay(write(), "--store", "NOWHERE")

    def test_events_of_a_day_keep_their_order(self, write):
        path = write(
            "2024-01-10,redemption,C1,R-1,,10,",
            "2024-01-10,purchase,C1,P-1,100.00,,",
            "2024-01-10,redemption,C1,R-2,,10,",
        )

        assert refused(path, "--enroll") == {2: "unknown_member"}
        joined = Member.objects.get().joined_at
        assert joined == datetime(2024, 1, 10, tzinfo=timezone.get_default_timezone())
        assert Account.objects.get().balance == 0
