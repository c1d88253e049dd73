"""Names with rare characters and birthdays on a leap day come whole through REST and files."""

from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from django.core.exceptions import BadRequest
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone

from benefits.models.draws import PrizeHandover
from benefits.operations import draws
from campaigns.member_files import keeping
from common.middleware import NulMiddleware
from common.models import AuditRecord
from members import queries
from members.models import Member
from tests import factories
from tests.benefits import coupon_plan
from tests.benefits.draw_plan import prize, published
from tests.factories.points import NOON
from tests.membership.conftest import console
from tests.till import Till, refused

pytestmark = pytest.mark.django_db
# Outside the characters of everyday, one of them outside the first 65,536.
NAME = "𠮷田㑇"


@pytest.fixture
def store():
    factories.plain()
    factories.brand()
    return factories.store(code="S1")


def enroll(store, **changes):
    told = {"phone": "13800000001", "name": NAME, "store": "S1", "activate": True}
    return Till(factories.api_client(store.organization)).send("members/", told | changes)


def test_a_till_enrolls_them_and_they_are_found(store):
    answer = enroll(store, birthday="2000-02-29")

    assert answer.status_code == 201
    assert answer.json()["name"] == "𠮷**"
    of = Member.objects.get()
    assert (of.name, of.birthday) == (NAME, date(2000, 2, 29))
    assert list(queries.search(NAME)) == list(queries.search("㑇")) == [of]


@pytest.mark.parametrize("day", ["2001-02-29", "1900-02-29"])
def test_a_leap_day_of_a_common_year_is_none(store, day):
    refused(enroll(store, birthday=day), 422, "invalid")
    assert not Member.objects.exists()


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_a_file_brings_them(store, encoding):
    rows = ["客户号,姓名,手机,生日", f"C1,{NAME},13800000001,2000-02-29"]
    rows.append(f"C2,{NAME},13800000002,2001-02-29")
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.csv")
        path.write_text("\n".join(rows), encoding=encoding)
        by = factories.staff()
        run = keeping.hand_in(path=path, name="a.csv", at=timezone.now(), by=by)
    keeping.ask_check(run_id=run.pk)
    keeping.work(clock=timezone.now)
    keeping.start(run_id=run.pk, at=timezone.now(), by=by, reason="搬家")
    keeping.work(clock=timezone.now)

    of = Member.objects.get()
    assert (of.name, of.birthday) == (NAME, date(2000, 2, 29))
    run.refresh_from_db()
    assert (run.report["brought"], run.report["refused"]) == (1, 1)


def page(name, one):
    return reverse(f"admin:{name}", args=[one.pk])


class TestNul:
    """No database text holds it, so wherever it was let in, it ends as a bad request."""

    def test_in_a_reason_that_is_kept_as_json(self):
        factories.plain()
        batch = coupon_plan.running()
        client, where = console(factories.staff(username="boss")), page("coupon-batch", batch)
        kept = AuditRecord.objects.count()

        said = {"do": "revoke", "reason": "a\0b", "code": batch.code}
        answer = client.post(where, said)

        assert answer.status_code == 400
        batch.refresh_from_db()
        assert batch.state == "RUNNING"
        assert AuditRecord.objects.count() == kept

    def test_in_a_text_of_its_own(self):
        draw = published(prize("茶杯", 1_000_000, 5))
        outcome = draws.enter(
            draw_id=draw.pk, member=factories.identity(), at=NOON, reference="one"
        )

        said = {"do": "hand_over", "outcome": str(outcome.number), "note": "a\0b"}
        client = console(factories.staff(username="boss"))
        answer = client.post(page("draw", draw), said)

        assert answer.status_code == 400
        assert not PrizeHandover.objects.exists()

    def test_other_mistakes_of_ours_are_not_the_callers(self, rf):
        middleware = NulMiddleware(lambda _request: HttpResponse())

        assert middleware.process_exception(rf.get("/"), ValueError("wrong")) is None
        with pytest.raises(BadRequest):
            middleware.process_exception(
                rf.get("/"), ValueError("A string literal cannot contain NUL (0x00) characters.")
            )
