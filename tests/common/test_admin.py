"""The console's system pages: nightly jobs, events, audit records, staff logins."""

import re
from datetime import date, timedelta

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from common import events, night_queries
from common.models import AuditRecord, JobRun, OutboxEvent, User
from members import operations as members
from points.models import Account, Entry
from tests.factories import identity, lot, member, plain, staff

pytestmark = pytest.mark.django_db
DAY = date(2026, 6, 30)


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(staff(username="boss"))
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    return client


def rows(response):
    return list(response.context["cl"].result_list)


class TestNights:
    EXPIRY = "points.expire_due_lots"

    def run(self, name=EXPIRY, **fields):
        return JobRun.objects.create(name=name, day=DAY, **fields)

    def again(self, client, run):
        return client.post(reverse("admin:common_jobrun_run_again", args=[run.pk]), follow=True)

    def list(self, client, **query):
        return client.get(reverse("admin:common_jobrun_changelist"), query)

    def page(self, client, run):
        return client.get(reverse("admin:common_jobrun_change", args=[run.pk]))

    def working(self, **fields):
        """A run of four chunks: one done, one that failed so far, two to come."""
        now = timezone.now()
        run = self.run(started_at=now, planned_at=now, chunk_count=4, **fields)
        figures = {"lots": 70, "members": 4, "points": 1500}
        run.chunks.create(low=1, high=9, done_at=now, seconds=0.035, report=figures)
        run.chunks.create(low=10, high=19, attempts=2, error="deadlock detected")
        run.chunks.create(low=20, high=29)
        run.chunks.create(low=30, high=39)
        return run

    def test_are_listed_latest_first_each_in_the_order_of_its_jobs(self, boss):
        for day in (DAY, DAY + timedelta(days=1)):
            for name in (self.EXPIRY, "points.verify_ledger"):
                JobRun.objects.create(name=name, day=day)

        nights = self.list(boss).context["cl"].nights

        assert [(day, [told["run"].name for told in runs]) for day, runs in nights] == [
            (DAY + timedelta(days=1), [self.EXPIRY, "points.verify_ledger"]),
            (DAY, [self.EXPIRY, "points.verify_ledger"]),
        ]

    def test_tell_how_far_a_job_is_and_refresh_themselves_meanwhile(self, boss):
        run = self.working()

        listed, page = self.list(boss).content.decode(), self.page(boss, run).content.decode()

        for content in (listed, page):
            assert "Expiry of points" in content
            assert "Running" in content
            assert "1 / 4" in content
            assert "width: 25%" in content
            assert "1 piece failed" in content
            assert 'hx-select="#nights"' in content
        assert "Lots: 2,000 per second" in page
        assert "35 ms" in page
        assert "1,500" in page
        assert "10–19" in page
        assert "deadlock detected" in page
        assert "run-again" not in page

    def test_that_are_over_stand_still(self, boss):
        run = self.run(started_at=timezone.now(), finished_at=timezone.now())

        for response in (self.list(boss), self.page(boss, run)):
            assert 'hx-select="#nights"' not in response.content.decode()

    def test_look_at_all_chunks_of_a_page_in_one_query(self, boss):
        def queries():
            with CaptureQueriesContext(connection) as captured:
                self.list(boss)
            return len(captured)

        self.working()
        queries()  # the first page of all asks more
        few = queries()
        for n in range(1, 20):
            run = self.working(number=n + 1)
        assert run.chunks.count() == 4

        assert queries() == few

    @pytest.mark.parametrize(
        ("fields", "state"),
        [
            ({}, "Waiting"),
            ({"started_at": timezone.now}, "Running"),
            ({"started_at": lambda: timezone.now() - timedelta(hours=1)}, "Interrupted"),
            ({"started_at": timezone.now, "failed_at": timezone.now}, "Failed"),
            ({"finished_at": timezone.now, "report": {"differences": 0}}, "Finished"),
            ({"finished_at": timezone.now, "report": {"differences": 2}}, "Alarm"),
        ],
    )
    def test_say_what_state_they_are_in(self, boss, fields, state):
        fields = {name: each() if callable(each) else each for name, each in fields.items()}
        run = self.run("points.verify_ledger", **fields)

        for response in (self.list(boss), self.page(boss, run)):
            assert re.search(rf"c-tag[^>]*>\s*{state}\s*<", response.content.decode())

    def test_show_what_a_job_found_and_what_went_wrong(self, boss):
        found = self.run(
            "points.verify_ledger",
            finished_at=timezone.now(),
            report={"members": 9, "differences": 1, "findings": ["swept,M0000000018,4"]},
        )
        failed = self.run(error="no such column <b>", failed_at=timezone.now())

        assert "swept,M0000000018,4" in self.page(boss, found).content.decode()
        assert "no such column &lt;b&gt;" in self.page(boss, failed).content.decode()
        assert "no such column &lt;b&gt;" in self.list(boss).content.decode()

    def test_can_be_narrowed_to_one_job(self, boss):
        self.run()
        self.run("points.verify_ledger")

        [(_day, [told])] = self.list(boss, job="points.verify_ledger").context["cl"].nights

        assert told["run"].name == "points.verify_ledger"

    def test_before_the_first_night_say_so(self, boss):
        assert "Nothing has run yet" in self.list(boss).content.decode()

    def test_a_job_of_an_older_release_is_shown_by_its_name(self, boss):
        run = self.run("points.of_an_older_release", finished_at=timezone.now(), report={"n": 3})

        content = self.page(boss, run).content.decode()

        assert "points.of_an_older_release" in content
        assert "run-again" not in content

    def test_an_auditor_may_look_but_finds_no_button(self, client):
        user = staff(is_superuser=False)
        user.groups.add(Group.objects.get(name="auditor"))
        client.force_login(user)

        response = self.page(client, self.run(finished_at=timezone.now()))

        assert response.status_code == 200
        assert "run-again" not in response.content.decode()

    def test_nobody_else_may_look(self, client):
        user = staff(is_superuser=False)
        user.groups.add(Group.objects.get(name="finance"))
        client.force_login(user)

        assert self.page(client, self.run()).status_code == 403

    def test_there_is_no_page_of_a_run_that_is_not_there(self, boss):
        response = boss.get(reverse("admin:common_jobrun_change", args=[1]))

        assert response.status_code == 404

    def test_asks_before_it_runs_a_day_again(self, boss):
        run = self.run(finished_at=timezone.now())

        response = boss.get(reverse("admin:common_jobrun_run_again", args=[run.pk]))

        assert "nothing happens twice" in response.content.decode()
        assert JobRun.objects.count() == 1

    def test_runs_a_finished_day_again_as_another_run(
        self, boss, django_capture_on_commit_callbacks
    ):
        of = identity()
        run = self.run(finished_at=timezone.now(), started_at=timezone.now(), report={"lots": 0})
        lot(of, 70, expires_on=DAY - timedelta(days=1))

        with django_capture_on_commit_callbacks(execute=True):
            response = self.again(boss, run)

        run.refresh_from_db()
        assert run.report == {"lots": 0}
        again = JobRun.objects.get(name=run.name, day=DAY, number=2)
        assert again.finished_at is not None
        assert again.report == {"members": 1, "lots": 1, "points": 70}
        assert Account.objects.get(pk=of.id).balance == 0
        record = AuditRecord.objects.get(action="job.run_again")
        assert (record.actor.username, record.target) == ("boss", str(again))
        # It shows the new run, which names the old one.
        assert response.redirect_chain[-1][0].endswith(f"/{again.pk}/change/")
        assert f"/{run.pk}/change/" in response.content.decode()
        assert "run-again" not in self.page(boss, run).content.decode()

    def test_twice_in_a_row_does_nothing_twice(self, boss, django_capture_on_commit_callbacks):
        of = identity()
        lot(of, 70, expires_on=DAY - timedelta(days=1))
        run = self.run(error="boom", failed_at=timezone.now())

        for _ in range(2):
            with django_capture_on_commit_callbacks(execute=True):
                self.again(boss, run)

        assert Entry.objects.filter(kind="EXPIRE").count() == 1

    def test_leaves_alone_what_a_worker_is_at(self, boss):
        run = self.run(started_at=timezone.now())

        response = self.again(boss, run)

        assert "running at the moment" in response.content.decode()
        assert not AuditRecord.objects.filter(action="job.run_again").exists()

    def test_takes_over_what_a_dead_worker_left(self, boss):
        run = self.run(
            started_at=timezone.now() - night_queries.STOPPED_AFTER - timedelta(minutes=1)
        )

        self.again(boss, run)

        assert AuditRecord.objects.filter(action="job.run_again").exists()

    def test_says_when_no_task_does_the_job(self, boss):
        run = self.run("points.of_an_older_release", error="x", failed_at=timezone.now())

        response = self.again(boss, run)

        assert "No task does this job" in response.content.decode()
        run.refresh_from_db()
        assert run.error == "x"

    def test_unknown_runs_lead_back_to_the_list(self, boss):
        for pk in ("999999", "x", "9" * 40):
            response = boss.post(f"/console/common/jobrun/{pk}/run-again/")
            assert response.url == reverse("admin:common_jobrun_changelist")

    def test_is_refused_without_the_permission(self, client):
        user = staff(is_superuser=False)
        user.groups.add(Group.objects.get(name="auditor"))
        client.force_login(user)
        run = self.run(error="boom", failed_at=timezone.now())

        assert self.again(client, run).status_code == 403
        run.refresh_from_db()
        assert run.error == "boom"


class TestEvents:
    @pytest.fixture
    def kinds(self):
        now = timezone.now()
        fields = {"name": "x.happened", "subscriber": "x", "payload": {}, "retry_at": now}
        return {
            "waiting": OutboxEvent.objects.create(**fields),
            "dead": OutboxEvent.objects.create(**fields, dead_at=now, attempts=16),
            "delivered": OutboxEvent.objects.create(**fields, delivered_at=now, attempts=1),
        }

    @pytest.mark.parametrize("state", ["waiting", "dead"])
    def test_filters_by_state(self, boss, kinds, state):
        response = boss.get(reverse("admin:common_outboxevent_changelist"), {"state": state})

        assert rows(response) == [kinds[state]]

    def test_tries_the_chosen_again_but_not_what_was_delivered(self, boss, kinds):
        response = boss.post(
            reverse("admin:common_outboxevent_changelist"),
            {"action": "try_again", "_selected_action": [e.pk for e in kinds.values()]},
            follow=True,
        )

        assert "2 events will be tried again" in response.content.decode()
        for event in kinds.values():
            event.refresh_from_db()
        assert (kinds["dead"].dead_at, kinds["dead"].attempts) == (None, 0)
        assert kinds["delivered"].attempts == 1
        assert AuditRecord.objects.filter(action="event.retried").count() == 2

    def test_a_closed_members_points_end_after_a_second_try(self, boss):
        of = identity()
        lot(of, 100, at=timezone.now(), expires_on=date(2099, 1, 1))
        members.close(member_id=of.id, closed_at=timezone.now(), by=staff(), reason="")
        closed = OutboxEvent.objects.filter(name="member.closed")
        closed.update(dead_at=timezone.now())
        events.deliver_waiting(now=timezone.now())
        assert Account.objects.get(pk=of.id).balance == 100

        events.try_again(
            event_ids=[each.pk for each in closed], now=timezone.now(), by=User.objects.first()
        )
        events.deliver_waiting(now=timezone.now())

        assert Account.objects.get(pk=of.id).balance == 0

    def test_auditors_may_look_but_not_act(self, client, kinds):
        user = staff(is_superuser=False)
        user.groups.add(Group.objects.get(name="auditor"))
        client.force_login(user)

        client.post(
            reverse("admin:common_outboxevent_changelist"),
            {"action": "try_again", "_selected_action": [kinds["dead"].pk]},
        )

        kinds["dead"].refresh_from_db()
        assert kinds["dead"].dead_at is not None

    def test_the_backlog_counts_both(self, kinds):
        assert events.backlog() == events.Backlog(waiting=1, dead=1)


class TestAuditRecords:
    def test_are_found_by_target_in_full_and_by_who_did_it(self, boss):
        of = member()
        user = staff(username="wang")
        members.freeze(member_id=of.pk, by=user, reason="举报")

        def found(q):
            page = boss.get(reverse("admin:common_auditrecord_changelist"), {"q": q})
            return [record.action for record in rows(page)]

        assert found(of.number) == ["member.frozen", "member.enrolled"]
        assert found("wang") == ["member.frozen"]
        assert found(of.number[:5]) == []

    def test_cannot_be_changed(self, boss):
        member()
        record = AuditRecord.objects.first()

        response = boss.post(
            reverse("admin:common_auditrecord_change", args=[record.pk]), {"reason": "other"}
        )

        assert response.status_code == 403


class TestStaffLogins:
    def test_lists_staff_but_no_members(self, boss):
        members.login_for(member_id=member().pk)
        staff(username="li")

        names = [user.username for user in rows(boss.get(reverse("admin:common_user_changelist")))]

        assert names == ["boss", "li"]

    def test_makes_a_login_with_a_role_and_a_trail(self, boss):
        role = Group.objects.get(name="finance")

        boss.post(
            reverse("admin:common_user_add"),
            {
                "username": "zhao",
                "password1": "a long enough phrase",
                "password2": "a long enough phrase",
                "usable_password": "true",
                "groups": [role.pk],
            },
        )

        user = User.objects.get(username="zhao")
        assert user.is_staff
        assert not user.is_superuser
        assert list(user.groups.all()) == [role]
        assert AuditRecord.objects.get(action="user.created").target == "zhao"

    def test_an_administrator_cannot_touch_who_may_do_more(self, client):
        user = staff(is_superuser=False)
        user.groups.add(Group.objects.get(name="administrator"))
        client.force_login(user)
        above = staff(username="above")

        page = reverse("admin:common_user_change", args=[above.pk])
        assert client.post(page, {"username": "below"}).status_code == 403
        password = reverse("admin:auth_user_password_change", args=[above.pk])
        words = {"password1": "a long enough phrase", "password2": "a long enough phrase"}
        assert client.post(password, words).status_code == 403

        above.refresh_from_db()
        assert above.username == "above"
        assert above.check_password("correct horse battery")

    def test_nobody_becomes_a_superuser_by_the_form(self, client):
        user = staff(is_superuser=False)
        user.groups.add(Group.objects.get(name="administrator"))
        client.force_login(user)

        client.post(
            reverse("admin:common_user_change", args=[user.pk]),
            {"username": user.username, "is_active": "on", "is_superuser": "on"},
        )

        user.refresh_from_db()
        assert not user.is_superuser

    def test_switching_a_login_off_ends_its_sessions(self, boss, client):
        user = staff(username="li", is_superuser=False)
        other = Client()
        other.force_login(user)

        boss.post(
            reverse("admin:common_user_change", args=[user.pk]), {"username": "li", "is_active": ""}
        )

        assert other.get(reverse("admin:index")).status_code == 302


def test_the_rulebook_is_not_needed_to_open_the_console(boss):
    """A new installation has no programme yet."""
    assert boss.get(reverse("admin:index")).status_code == 200
    plain()
    assert boss.get(reverse("admin:index")).status_code == 200
