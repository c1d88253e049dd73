import re
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.timezone import localdate

from common import limits
from common.models import User
from members import operations as members
from membership.demo import rules
from messaging.models import SandboxCode
from points import operations as points
from programme import operations as programme
from programme import queries as programmes
from tests.factories import buy, identity, lot, main_store, member, plain, source, staff

pytestmark = pytest.mark.django_db
PHONE = "+8613800138000"
NOBODYS = "13900139000"


def the_code():
    return SandboxCode.objects.latest("pk").code


def log_in(client, phone="13800138000", **extra):
    client.post("/login/", {"phone": phone, **extra})
    return client.post("/login/code/", {"code": the_code()})


def logged_in(of):
    client = Client()
    client.force_login(members.login_for(member_id=of.pk))
    return client


def retail():
    """The demo's rulebook: with tiers, tasks and a campaign that is on."""
    main_store()
    document = rules.document(today=localdate()) | {"valid_from": "1900-01-02"}
    document["programme"]["code"] = "plain"
    programme.load(document=document, published_at=timezone.now())
    programmes.forget_cached()


def text_of(response):
    """What a reader sees, without tags and runs of blanks."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


class TestLogin:
    def test_by_phone_and_code(self, client):
        one = member(phone=PHONE, name="王小明")

        asked = client.post("/login/", {"phone": "138 0013 8000"})
        assert (asked.status_code, asked["Location"]) == (302, "/login/code/")
        assert "138****8000" in text_of(client.get("/login/code/"))
        entered = client.post("/login/code/", {"code": the_code()})

        assert (entered.status_code, entered["Location"]) == (302, "/")
        assert one.number in text_of(client.get("/"))
        one.refresh_from_db()
        assert one.user.username == one.number
        assert not one.user.has_usable_password()

    @pytest.mark.parametrize(
        "typed",
        [
            "13800138000",
            "138 0013 8000",
            "+86 138-0013-8000",
            "008613800138000",
            "１３８００１３８０００",
        ],
    )
    def test_phones_are_read_as_people_write_them(self, client, typed):
        member(phone=PHONE)

        assert log_in(client, typed)["Location"] == "/"

    @pytest.mark.parametrize(
        "typed", ["", "1", "hello", "1" * 33, "12345678901", "𠮷", "\x00", "=1+1"]
    )
    def test_what_is_no_phone_is_told_so(self, client, typed):
        response = client.post("/login/", {"phone": typed})

        assert response.status_code == 200
        assert 'role="alert"' in response.content.decode()
        assert list(limits.client().scan_iter("*")) == []

    def test_codes_are_read_as_people_write_them(self, client):
        member(phone=PHONE)
        client.post("/login/", {"phone": PHONE})
        code = the_code()
        wide = "".join(chr(ord(digit) + 0xFEE0) for digit in code)

        assert client.post("/login/code/", {"code": f" {wide[:3]} {wide[3:]} "}).status_code == 302

    def test_members_and_strangers_get_the_same_answers(self):
        member(phone=PHONE)
        answers = {}
        for phone in (PHONE, NOBODYS):
            client = Client(REMOTE_ADDR="198.51.100.7")
            seen = [client.post("/login/", {"phone": phone})]
            seen += [client.get("/login/code/")]
            seen += [client.post("/login/code/", {"code": "not it"}) for _ in range(6)]
            seen += [client.post("/login/", {"phone": phone})]
            answers[phone] = [
                (answer.status_code, answer.get("Location"), comparable(answer)) for answer in seen
            ]

        assert answers[PHONE] == answers[NOBODYS]
        assert [status for status, _, _ in answers[PHONE]] == [
            302, 200, 422, 422, 422, 422, 409, 409, 429,
        ]  # fmt: skip

    def test_asking_costs_the_same_queries_whoever_has_the_phone(self, monkeypatch):
        """The worker looks who has the phone; the request knows nothing its time could tell."""
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        from messaging import tasks

        monkeypatch.setattr(tasks.send_code, "apply_async", lambda **_: None)
        member(phone=PHONE)
        counts = []
        for phone in (PHONE, NOBODYS):
            with CaptureQueriesContext(connection) as queries:
                Client().post("/login/", {"phone": phone})
            counts.append([query["sql"].split()[0] for query in queries])

        assert counts[0] == counts[1]

    def test_a_used_code_lets_nobody_in(self, client):
        member(phone=PHONE)
        client.post("/login/", {"phone": PHONE})
        challenge = client.session["login_challenge"]
        client.post("/login/code/", {"code": the_code()})
        client.post("/logout/")
        session = client.session
        session["login_challenge"] = challenge
        session.save()

        response = client.post("/login/code/", {"code": the_code()})

        assert response.status_code == 409
        assert client.get("/")["Location"] == "/login/?next=/"

    def test_a_code_is_of_no_use_in_another_browser(self, client):
        member(phone=PHONE)
        client.post("/login/", {"phone": PHONE})

        assert Client().post("/login/code/", {"code": the_code()}).status_code == 409
        assert Client().get("/login/code/")["Location"] == "/login/"

    def test_too_soon_again_is_429_and_says_how_long(self, client):
        member(phone=PHONE)
        client.post("/login/", {"phone": PHONE})

        response = client.post("/login/", {"phone": PHONE})

        assert response.status_code == 429
        assert 0 < int(response["Retry-After"]) <= 60
        assert "秒后再试" in text_of(response)

    def test_without_redis_the_page_says_try_later(self, client, monkeypatch):
        member(phone=PHONE)
        gone = limits.connect("redis://127.0.0.1:1/0")
        monkeypatch.setattr(limits, "client", lambda: gone)

        assert client.post("/login/", {"phone": PHONE}).status_code == 503
        session = client.session
        session["login_challenge"] = "x"
        session.save()
        assert client.get("/login/code/").status_code == 200
        assert client.post("/login/code/", {"code": "1"}).status_code == 503

    def test_a_closed_member_gets_the_strangers_answer(self, client):
        one = member(phone=PHONE)
        members.close(member_id=one.pk, closed_at=timezone.now(), by=None, reason="wish")

        assert client.post("/login/", {"phone": PHONE})["Location"] == "/login/code/"
        assert not SandboxCode.objects.exists()

    def test_closing_the_membership_ends_the_session(self, client):
        one = member(phone=PHONE)
        log_in(client)

        members.close(member_id=one.pk, closed_at=timezone.now(), by=None, reason="wish")

        assert client.get("/")["Location"] == "/login/?next=/"

    def test_a_membership_closed_before_the_code_was_typed_is_not_entered(self, client):
        one = member(phone=PHONE)
        client.post("/login/", {"phone": PHONE})
        members.close(member_id=one.pk, closed_at=timezone.now(), by=None, reason="wish")

        assert client.post("/login/code/", {"code": the_code()}).status_code == 409
        assert not User.objects.filter(username=one.number).exists()

    @pytest.mark.parametrize(
        ("wanted", "gets"),
        [
            ("/statement/?kind=EARN", "/statement/?kind=EARN"),
            ("https://evil.example/", "/"),
            ("//evil.example/", "/"),
            ("javascript:alert(1)", "/"),
        ],
    )
    def test_goes_on_to_where_the_member_wanted_but_never_elsewhere(self, client, wanted, gets):
        member(phone=PHONE)

        assert log_in(client, next=wanted)["Location"] == gets

    def test_a_session_gets_a_new_name_at_login(self, client):
        member(phone=PHONE)
        client.post("/login/", {"phone": PHONE})
        before = client.session.session_key

        client.post("/login/code/", {"code": the_code()})

        assert client.session.session_key != before

    def test_who_is_logged_in_does_not_see_the_login_page(self):
        assert logged_in(member()).get("/login/")["Location"] == "/"

    def test_forms_need_their_token(self):
        client = Client(enforce_csrf_checks=True)

        response = client.post("/login/", {"phone": PHONE})

        assert response.status_code == 403
        assert "请再试一次" in text_of(response)

    def test_logging_out_needs_a_post(self, client):
        client.force_login(members.login_for(member_id=member().pk))

        assert client.get("/logout/").status_code == 405
        assert client.post("/logout/")["Location"] == "/login/"
        assert client.get("/")["Location"] == "/login/?next=/"


def comparable(response):
    """A page without what is new in each answer."""
    text = response.content.decode()
    text = re.sub(r'(nonce|value)="[^"]*"', "", text)
    return re.sub(r"138\*{4}8000|139\*{4}9000", "masked", re.sub(r"\d+ 秒", "n 秒", text))


class TestHome:
    @pytest.fixture(autouse=True)
    def _programme(self):
        plain()

    def test_the_card_shows_points_worth_number_and_name(self):
        one = member(name="𠮷田㑇")
        lot(identity(one), 12345)

        text = text_of(logged_in(one).get("/"))

        assert "𠮷田㑇" in text
        assert one.number in text
        assert "可用积分 12,345 价值 1,234.50 元" in text

    def test_what_expires_next_soonest_first(self):
        one = member()
        today = localdate()
        lot(identity(one), 30, expires_on=today)
        lot(identity(one), 1070, expires_on=today + timedelta(days=40))
        lot(identity(one), 5, expires_on=date.max)

        text = text_of(logged_in(one).get("/"))

        assert "今天到期 30 积分" in text
        assert "还剩 40 天 1,070 积分" in text
        assert "9999" not in text

    def test_points_that_lapsed_before_the_night_came_are_not_the_members(self):
        one = member()
        lot(identity(one), 30, expires_on=localdate() - timedelta(days=1))
        lot(identity(one), 12)

        assert "可用积分 12 价值" in text_of(logged_in(one).get("/"))

    def test_a_debt_is_told_kindly(self):
        from campaigns import operations as campaigns
        from tests.factories.points import NOON

        who = identity(one := member())
        buy(who, "500", reference="D-1")
        points.redeem(member=who, points=45, at=NOON, reference="X", source=source())
        campaigns.post_return(
            returned=campaigns.Return(
                purchase=campaigns.find_purchase(issuer_id=source().issuer_id, reference="D-1"),
                member=who, reference="R", at=NOON, amount=Decimal(300), source=source(),
            ),
            now=NOON,
        )  # fmt: skip

        text = text_of(logged_in(one).get("/"))

        assert "积分余额 −25 待补足" in text
        assert "还差 25 分" in text
        assert "价值" not in text

    def test_a_new_member_is_told_what_to_do(self):
        text = text_of(logged_in(member()).get("/"))

        assert "可用积分 0 首次消费即可开始积分" in text
        assert "还没有记录" in text

    def test_tiers_are_not_made_up(self):
        assert "本计划尚未开放等级" in text_of(logged_in(member()).get("/"))

    def test_a_frozen_member_sees_but_is_told(self):
        one = member()
        lot(identity(one), 12)
        members.freeze(member_id=one.pk, by=staff(), reason="loss of phone")

        text = text_of(logged_in(one).get("/"))

        assert "您的会员已冻结" in text
        assert "可用积分 12" in text

    def test_a_pre_registered_member_is_told_how_to_activate(self):
        assert "尚未激活" in text_of(logged_in(member(active=False)).get("/"))

    def test_visitors_are_sent_to_the_login(self, client):
        assert client.get("/")["Location"] == "/login/?next=/"

    def test_staff_are_shown_to_their_console(self, client):
        client.force_login(staff())

        response = client.get("/")

        assert response.status_code == 200
        assert 'href="/console/"' in response.content.decode()
        assert client.get("/statement/")["Location"] == "/"

    def test_nobody_sees_another_members_name(self):
        one, other = member(name="甲乙"), member(name="丙丁")
        lot(identity(other), 777)

        text = text_of(logged_in(one).get("/"))

        assert "丙丁" not in text
        assert "777" not in text

    def test_costs_few_queries_however_much_there_is(self, django_assert_num_queries):
        one = member()
        client = logged_in(one)
        for n in range(30):
            lot(identity(one), 10, expires_on=localdate() + timedelta(days=n))
            buy(identity(one), "100")

        client.get("/")  # the version's rules are read once
        programmes.forget_cached()
        # session, user with member; version; account, points with what lapses; programme; entries,
        # the first of them, because these came in late; unread messages
        with django_assert_num_queries(9):
            response = client.get("/")
        assert len(response.content) < 20_000

    def test_with_tiers_tasks_and_offers_it_asks_nine_times(self, django_assert_num_queries):
        one = member()
        retail()
        client = logged_in(one)
        for n in range(30):
            buy(identity(one), "100", reference=f"R-{n}", at=timezone.now())
        client.get("/")

        # session, user with member and standing; what was gathered; account, points with what
        # lapses; entries, what became of those that wait; tasks; unread messages
        with django_assert_num_queries(9):
            response = client.get("/")
        text = text_of(response)
        assert "完善资料" in text
        assert "养护季工时双倍积分" in text
        assert len(response.content) < 30_000

    @pytest.mark.parametrize(
        "path",
        [
            "/", "/card/", "/statement/", "/tier/", "/messages/", "/messages/settings/",
            "/profile/", "/profile/edit/", "/profile/products/", "/profile/phone/", "/privacy/",
            "/security/", "/security/password/", "/help/",
        ],
    )  # fmt: skip
    def test_no_page_of_a_member_asks_ten_times(self, django_assert_max_num_queries, path):
        one = member()
        retail()
        client = logged_in(one)
        for n in range(3):
            buy(identity(one), "100", reference=f"R-{n}", at=timezone.now())
        client.get(path)

        with django_assert_max_num_queries(9):
            assert client.get(path).status_code == 200

    def test_tasks_show_what_can_be_done_where_and_what_is_done(self):
        retail()
        one = member(name="")
        client = logged_in(one)
        before = client.get("/").content.decode()
        buy(identity(one), "100")
        after = text_of(client.get("/"))

        assert re.search('href="/profile/edit/">\\s*完善资料', before)
        assert re.search('href="/card/">\\s*首次消费', before)
        assert re.search("首次消费 .*?[+]30", after)
        assert "<s>首次消费</s>" in client.get("/").content.decode()


class TestEveryPage:
    PAGES = ["/login/", "/sandbox/codes/", "/", "/statement/", "/tier/", "/nowhere/"]

    @pytest.fixture
    def member_client(self):
        plain()
        return logged_in(member())

    @pytest.mark.parametrize("path", PAGES)
    def test_allows_no_inline_code_and_no_third_party(self, member_client, client, path):
        response = (client if path == "/login/" else member_client).get(path)
        policy, text = response["Content-Security-Policy"], response.content.decode()

        assert "unsafe" not in policy
        assert "default-src 'self'" in policy
        nonce = re.search(r"'nonce-([^']+)'", policy)[1]
        inline = re.findall(r"<(?:style|script)(?![^>]* src=)[^>]*>", text)
        assert inline == [f'<style nonce="{nonce}">']
        assert re.findall(r"\s(?:style|on\w+)=", text) == []
        assert re.findall(r'(?:src|href|action)="(?!/|#|\?)[^"]*"', text) == []

    def test_only_the_console_may_evaluate(self, client):
        policy = client.get("/console/login/")["Content-Security-Policy"]

        assert "script-src 'self' 'unsafe-eval';" in policy + ";"
        assert "style-src 'self' 'unsafe-inline'" in policy

    @pytest.mark.parametrize("path", ["/login/", "/", "/statement/", "/sandbox/codes/"])
    def test_is_not_kept_by_anybody(self, member_client, client, path):
        response = (client if path == "/login/" else member_client).get(path)

        assert response.status_code == 200
        assert "no-store" in response["Cache-Control"]
        assert "private" in response["Cache-Control"]
        assert response["X-Frame-Options"] == "DENY"
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["Referrer-Policy"] == "same-origin"

    def test_the_session_cookie_is_out_of_reach_of_scripts(self, client):
        member(phone=PHONE)
        log_in(client)

        cookie = client.cookies["membership_session"]

        assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")

    @pytest.mark.parametrize(
        ("language", "expected"), [("zh-hans", "登录"), ("zh-hant", "登入"), ("en", "Log in")]
    )
    def test_speaks_the_language_chosen(self, client, language, expected):
        response = client.post("/language/", {"language": language, "next": "/login/"})

        assert response["Location"] == "/login/"
        page = client.get("/login/").content.decode()
        assert f'<html lang="{language}">' in page
        assert expected in page

    def test_speaks_simplified_chinese_to_who_chose_nothing(self, client):
        assert '<html lang="zh-hans">' in client.get("/login/").content.decode()

    def test_the_language_switch_leads_nowhere_else(self, client):
        response = client.post("/language/", {"language": "en", "next": "https://evil.example/"})

        assert response["Location"] == "/"

    def test_wears_the_brands_colour(self, client):
        from programme.models import Programme

        plain()
        Programme.objects.update(color="#0f4c81")

        assert "--brand:#0f4c81;--on-brand:#ffffff" in client.get("/login/").content.decode()


class TestErrorPages:
    def test_404_without_a_programme(self, client):
        response = client.get("/nowhere/")

        assert response.status_code == 404
        assert "页面不存在" in text_of(response)

    def test_a_body_that_is_too_big_is_413(self, client):
        response = client.post(
            "/login/",
            "phone=" + "1" * 1_100_000,
            content_type="application/x-www-form-urlencoded",
        )
        assert response.status_code == 413
        assert "内容太大" in text_of(response)

    def test_500_needs_nothing_that_may_have_failed(self, client, monkeypatch):
        from membership import views

        client.raise_request_exception = False
        monkeypatch.setattr(
            views.LoginPage, "get", lambda *_: (_ for _ in ()).throw(RuntimeError("boom"))
        )

        response = client.get("/login/")

        assert response.status_code == 500
        assert "出错了" in text_of(response)
        assert "boom" not in text_of(response)

    @pytest.mark.parametrize("code", ["400", "403", "403_csrf", "404", "413", "429"])
    def test_each_renders(self, rf, code):
        from django.template.loader import render_to_string

        request = rf.get("/x/")
        request.csp_nonce = "n"

        assert code[:3] in render_to_string(f"{code}.html", {}, request)
