"""Who did it, in which request."""

import pytest
from django.db import transaction
from django.http import HttpResponse
from django.test import RequestFactory

from common import audit, context
from common.localized import localized
from common.middleware import RequestIdMiddleware
from common.models import AuditRecord
from tests.factories import staff


@pytest.mark.django_db(transaction=True)
class TestAudit:
    def test_writes_who_did_what_to_whom_and_why(self):
        by = staff()

        with transaction.atomic():
            audit.record(
                action="thing.done", target="M1", by=by, reason="因为", details={"points": 3}
            )

        record = AuditRecord.objects.get()
        assert (record.action, record.target, record.actor_id) == ("thing.done", "M1", by.pk)
        assert (record.reason, record.details) == ("因为", {"points": 3})
        assert (record.ip, record.request_id) == (None, "")

    def test_stands_and_falls_with_the_deed(self):
        def deed():
            with transaction.atomic():
                audit.record(action="thing.done", target="M1", by=None)
                raise RuntimeError

        with pytest.raises(RuntimeError):
            deed()

        assert not AuditRecord.objects.exists()

    def test_is_refused_outside_the_deeds_transaction(self):
        with pytest.raises(AssertionError, match="commit together"):
            audit.record(action="thing.done", target="M1", by=None)

        assert not AuditRecord.objects.exists()

    def test_names_the_request(self):
        token = context.current.set(context.RequestContext("request-1", "2001:db8::1"))
        with transaction.atomic():
            audit.record(action="thing.done", target="M1", by=None)
        context.current.reset(token)

        record = AuditRecord.objects.get()
        assert (record.request_id, record.ip) == ("request-1", "2001:db8::1")


class TestRequestId:
    def answer(self, **headers):
        seen = []

        def view(request):
            seen.append(context.current.get())
            return HttpResponse()

        response = RequestIdMiddleware(view)(RequestFactory().get("/", **headers))
        [inside] = seen
        assert response["X-Request-Id"] == inside.request_id
        assert context.current.get() == context.RequestContext()
        return inside

    def test_each_request_has_a_name_of_its_own(self):
        first, second = self.answer(), self.answer()

        assert len(first.request_id) == 32
        assert first.request_id != second.request_id
        assert first.ip == "127.0.0.1"

    def test_a_callers_own_name_is_kept(self):
        assert self.answer(HTTP_X_REQUEST_ID="till-7.2026_1").request_id == "till-7.2026_1"

    @pytest.mark.parametrize(
        "given",
        [
            "",
            "short",
            "x" * 65,
            "a b c d e f",
            "a\r\nSet-Cookie: x=1",
            "<script>alert",
            "编号编号编号编号编号",
        ],
    )
    def test_what_could_do_harm_is_not(self, given):
        assert self.answer(HTTP_X_REQUEST_ID=given).request_id != given

    def test_a_failing_view_leaves_no_trace_of_its_request(self):
        def view(request):
            raise RuntimeError

        with pytest.raises(RuntimeError):
            RequestIdMiddleware(view)(RequestFactory().get("/"))

        assert context.current.get() == context.RequestContext()


@pytest.mark.parametrize(
    ("names", "language", "text"),
    [
        ({"zh-hans": "积分", "en": "Points"}, "en", "Points"),
        ({"zh-hans": "积分", "en": "Points"}, "zh-hant", "积分"),
        ({"zh-hans": "积分", "en": ""}, "en", "积分"),
        ({"en": "Points"}, "zh-hans", "Points"),
        ({"zh-hans": "积分"}, None, "积分"),
        ({}, "en", ""),
    ],
)
def test_names_are_read_in_the_readers_language(names, language, text):
    from django.utils import translation

    with translation.override(language):
        assert localized(names) == text
