from datetime import date

import pytest
from django.utils import timezone

from common import jobs
from members import operations as members
from messaging import nightly
from messaging.models import Message
from tests.factories import member, message
from tests.factories.points import NOON
from tests.nights import done

pytestmark = pytest.mark.django_db
DAY = date(2026, 6, 16)


class TestDeliverInApp:
    def test_reaches_everybody_who_can_log_in_by_now_chunk_by_chunk_and_once(self, settings):
        settings.NIGHT_CHUNK_MEMBERS = 2
        late = [member(active=False) for _ in range(5)]
        never = member(active=False)
        for one in [*late, late[0], never]:
            message(one)
        for one in late:
            members.activate(member_id=one.pk, activated_at=NOON)

        run = done(nightly.deliver_in_app, day=DAY)

        assert (run.report, run.chunk_count) == ({"messages": 6}, 3)
        assert nightly.deliver_in_app(day=DAY) == {"messages": 0}
        assert Message.objects.get(delivered_at=None).member_id == never.pk

    def test_a_day_done_again_later_does_not_date_the_delivery_back(self):
        late = member(active=False)
        message(late)
        members.activate(member_id=late.pk, activated_at=NOON)
        before = timezone.now()

        nightly.deliver_in_app(day=DAY)

        assert Message.objects.get().delivered_at >= before

    def test_comes_before_points_expire(self):
        names = [job.name for job in jobs.nightly_jobs()]

        assert names.index("messaging.deliver_in_app") < names.index("points.expire_due_lots")
