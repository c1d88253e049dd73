import pytest
from django.http import HttpResponse
from django.middleware.security import SecurityMiddleware

from common import context
from common.middleware import RequestIdMiddleware, SameSecurityMiddleware


def seen(rf, **meta):
    """The address and the request id that the work of a request is told."""
    told = []

    def view(_request):
        told.append(context.current.get())
        return HttpResponse()

    response = RequestIdMiddleware(view)(rf.get("/", **meta))
    assert response["X-Request-Id"] == told[0].request_id
    return told[0]


class TestAddress:
    def test_is_the_callers_own(self, rf, settings):
        settings.BEHIND_PROXY = False

        told = seen(rf, REMOTE_ADDR="198.51.100.7", HTTP_X_FORWARDED_FOR="203.0.113.9")

        assert told.ip == "198.51.100.7"

    @pytest.mark.parametrize(
        ("forwarded", "expected"),
        [
            ("203.0.113.9", "203.0.113.9"),
            ("1.1.1.1, 203.0.113.9", "203.0.113.9"),
            ("1.1.1.1,2001:db8::1", "2001:db8::1"),
            ("", "198.51.100.7"),
            ("unknown", "198.51.100.7"),
            ("203.0.113.9, <script>", "198.51.100.7"),
        ],
    )
    def test_behind_a_proxy_is_what_the_proxy_added(self, rf, settings, forwarded, expected):
        settings.BEHIND_PROXY = True

        told = seen(rf, REMOTE_ADDR="198.51.100.7", HTTP_X_FORWARDED_FOR=forwarded)

        assert told.ip == expected


class TestRequestId:
    def test_is_kept_if_it_is_harmless(self, rf):
        assert seen(rf, HTTP_X_REQUEST_ID="till-7.0001").request_id == "till-7.0001"

    @pytest.mark.parametrize(
        "given", ["", "short", "x" * 65, "a b c d e f", "<script>1", "単語単語単語単語"]
    )
    def test_is_made_anew_if_it_is_not(self, rf, given):
        made = seen(rf, HTTP_X_REQUEST_ID=given).request_id

        assert made != given
        assert len(made) == 32


class TestSecurity:
    @pytest.mark.parametrize("secure", [True, False])
    def test_an_answer_of_the_api_gets_what_django_gives_a_page(self, rf, settings, secure):
        settings.SECURE_HSTS_SECONDS = 60
        settings.SECURE_SSL_REDIRECT = False
        ours, djangos = (
            middleware(lambda _request: HttpResponse())
            for middleware in (SameSecurityMiddleware, SecurityMiddleware)
        )

        for _ in range(2):
            answers = [of(rf.get("/", secure=secure)).headers for of in (ours, djangos)]
            assert answers[0] == answers[1]
            assert ("Strict-Transport-Security" in answers[0]) == secure

    def test_plain_http_is_sent_to_https_before_anything_is_done(self, rf, settings):
        settings.SECURE_SSL_REDIRECT = True

        answer = SameSecurityMiddleware(pytest.fail)(rf.post("/api/v1/purchases/"))

        assert (answer.status_code, answer["Location"]) == (
            301,
            "https://testserver/api/v1/purchases/",
        )
