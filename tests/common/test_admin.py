"""The console's system pages: nightly jobs, events, audit records, staff logins."""

from datetime import date, timedelta

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from common import events, nights
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


class TestJobRuns:
    def run(self, **fields):
        return JobRun.objects.create(name="points.expire_due_lots", day=DAY, **fields)

    def again(self, client, run):
        return client.post(reverse("admin:common_jobrun_run_again", args=[run.pk]), follow=True)

    def test_asks_before_it_runs_a_day_again(self, boss):
        run = self.run(finished_at=timezone.now())

        response = boss.get(reverse("admin:common_jobrun_run_again", args=[run.pk]))

        assert "nothing happens twice" in response.content.decode()
        run.refresh_from_db()
        assert run.finished_at is not None

    def test_tells_state_and_report_of_a_run(self, boss):
        run = self.run(error="boom", failed_at=timezone.now())

        content = boss.get(reverse("admin:common_jobrun_change", args=[run.pk])).content.decode()

        assert "Failed" in content
        assert "&#x27;failed&#x27;" not in content
        assert "boom" in content

    def test_runs_a_finished_day_again_by_its_task(self, boss, django_capture_on_commit_callbacks):
        of = identity()
        run = self.run(finished_at=timezone.now(), started_at=timezone.now(), report={"lots": 0})
        lot(of, 70, expires_on=DAY - timedelta(days=1))

        with django_capture_on_commit_callbacks(execute=True):
            self.again(boss, run)

        run.refresh_from_db()
        assert run.report == {"lots": 0}
        again = JobRun.objects.get(name=run.name, day=DAY, number=2)
        assert again.finished_at is not None
        assert again.report == {"members": 1, "lots": 1, "points": 70}
        assert Account.objects.get(pk=of.id).balance == 0
        record = AuditRecord.objects.get(action="job.run_again")
        assert (record.actor.username, record.target) == ("boss", str(again))

    def test_twice_in_a_row_does_nothing_twice(self, boss, django_capture_on_commit_callbacks):
        of = identity()
        lot(of, 70, expires_on=DAY - timedelta(days=1))
        run = self.run(error="boom", failed_at=timezone.now())

        for _ in range(2):
            with django_capture_on_commit_callbacks(execute=True):
                self.again(boss, run)

        assert Entry.objects.filter(kind="EXPIRE").count() == 1

    def test_leaves_alone_what_a_worker_holds(self, boss):
        run = self.run(started_at=timezone.now())

        response = self.again(boss, run)

        assert "running at the moment" in response.content.decode()
        assert not AuditRecord.objects.filter(action="job.run_again").exists()

    def test_takes_over_what_a_dead_worker_held(self, boss):
        run = self.run(started_at=timezone.now() - nights.STOPPED_AFTER - timedelta(minutes=1))

        self.again(boss, run)

        assert AuditRecord.objects.filter(action="job.run_again").exists()

    def test_says_when_no_task_does_the_job(self, boss):
        run = JobRun.objects.create(name="points.of_an_older_release", day=DAY, error="x")

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
        OutboxEvent.objects.update(dead_at=timezone.now())
        events.deliver_waiting(now=timezone.now())
        assert Account.objects.get(pk=of.id).balance == 100

        events.try_again(
            event_ids=[OutboxEvent.objects.get().pk], now=timezone.now(), by=User.objects.first()
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
