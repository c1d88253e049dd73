"""Staff prove a second factor at the console (M1)."""

import re
from datetime import timedelta

import pyotp
import pytest
import time_machine
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from common import limits, second_factors
from common.models import AuditRecord, SecondFactor
from membership import second_factor
from tests.factories import member, staff
from tests.membership.conftest import console
from tests.membership.test_web import text_of

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"


@pytest.fixture
def required(settings):
    settings.STAFF_MFA = "required"


def of_role(role):
    user = staff(is_superuser=False)
    user.groups.add(Group.objects.get(name=role))
    return user


def log_in(client, user, path="/console/login/", **extra):
    return client.post(path, {"username": user.username, "password": PASSWORD, **extra})


def code(secret, *, at=None):
    return pyotp.TOTP(secret).at(at or timezone.now())


def wrong(right):
    return f"{(int(right) + 1) % 1_000_000:06d}"


def with_factor(user):
    """The login, its secret and its recovery codes. The code used was that of a minute ago."""
    secret = second_factors.new_secret()
    before = timezone.now() - timedelta(minutes=1)
    codes = second_factors.confirm(
        user=user, secret=secret, code=code(secret, at=before), at=before
    )
    forget_tries()
    return secret, codes


def forget_tries():
    for key in limits.client().scan_iter("limit:second-factor:*"):
        limits.client().delete(key)


class TestProving:
    def test_after_the_password_the_console_stays_closed_until_the_code(self, client):
        boss = staff()
        secret, _ = with_factor(boss)
        log_in(client, boss)

        for path in ("/console/", "/console/common/auditrecord/", "/console/search/?s=x"):
            assert client.get(path).status_code == 302
        asked = client.get("/console/login/?next=/console/common/jobrun/")
        assert asked["Location"] == "/console/second-factor/?next=/console/common/jobrun/"
        assert (
            "common/jobrun" not in client.get(asked["Location"]).content.decode().split("next")[0]
        )
        answer = client.post(asked["Location"], {"code": code(secret)})

        assert answer["Location"] == "/console/common/jobrun/"
        assert client.get("/console/").status_code == 200

    def test_nothing_changes_by_a_post_either(self, client):
        boss = staff()
        with_factor(boss)
        log_in(client, boss)
        before = AuditRecord.objects.count()

        answer = client.post("/console/partners/region/add/", {"name": "华东"})

        assert answer.status_code == 302
        assert AuditRecord.objects.count() == before

    def test_a_code_works_once(self):
        boss = staff()
        secret, _ = with_factor(boss)
        now = code(secret)
        first, second = console(boss), console(boss)

        assert first.post("/console/second-factor/", {"code": now}).status_code == 302
        assert second.post("/console/second-factor/", {"code": now}).status_code == 422

    @pytest.mark.parametrize(("seconds", "is_right"), [(-30, True), (30, True), (-90, False)])
    def test_clocks_of_phones_may_be_half_a_minute_off(self, seconds, is_right):
        boss = staff()
        with time_machine.travel(timezone.now() - timedelta(hours=1)):
            secret, _ = with_factor(boss)
        typed = code(secret, at=timezone.now() + timedelta(seconds=seconds))

        answer = console(boss).post("/console/second-factor/", {"code": typed})

        assert (answer.status_code == 302) is is_right

    def test_codes_are_read_as_people_write_them(self):
        boss = staff()
        secret, _ = with_factor(boss)
        typed = code(secret)
        wide = "".join(chr(ord(digit) + 0xFEE0) for digit in typed)

        answer = console(boss).post("/console/second-factor/", {"code": f" {wide[:3]} {wide[3:]}"})

        assert answer.status_code == 302

    @pytest.mark.parametrize("typed", ["", "x", "000000 000000", "𠮷", "\x00", "１" * 50, "é" * 6])
    def test_what_is_no_code_is_told_so(self, typed):
        boss = staff()
        with_factor(boss)

        answer = console(boss).post("/console/second-factor/", {"code": typed})

        assert answer.status_code in (200, 422)
        assert console(boss).get("/console/").status_code == 302

    def test_five_wrong_ones_lock_the_login_as_wrong_passwords_do(self):
        boss = staff()
        secret, _ = with_factor(boss)
        client = console(boss)
        answers = [
            client.post("/console/second-factor/", {"code": wrong(code(secret))}).status_code
            for _ in range(5)
        ]

        assert answers == [422, 422, 422, 422, 429]
        assert client.post("/console/second-factor/", {"code": code(secret)}).status_code == 429
        assert log_in(Client(), boss).status_code == 429

    def test_logging_in_again_gives_no_more_tries(self):
        boss = staff()
        secret, _ = with_factor(boss)
        tried = 0
        for _round in range(4):
            client = Client()
            log_in(client, boss)  # which forgets wrong passwords
            for _ in range(3):
                client.post("/console/second-factor/", {"code": wrong(code(secret))})
                tried += 1
        assert tried == 12

        assert client.post("/console/second-factor/", {"code": code(secret)}).status_code == 429

    def test_without_redis_nobody_guesses(self, monkeypatch):
        boss = staff()
        secret, _ = with_factor(boss)
        gone = limits.connect("redis://127.0.0.1:1/0")
        monkeypatch.setattr(limits, "client", lambda: gone)

        answer = console(boss).post("/console/second-factor/", {"code": code(secret)})

        assert answer.status_code == 503

    @pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/"])
    def test_goes_on_to_pages_of_ours_only(self, target):
        boss = staff()
        secret, _ = with_factor(boss)

        answer = console(boss).post(
            "/console/second-factor/", {"code": code(secret), "next": target}
        )

        assert answer["Location"] == "/console/"

    def test_visitors_and_members_have_no_business_there(self, client):
        from members import operations as members

        assert client.get("/console/second-factor/")["Location"] == "/console/login/"
        client.force_login(members.login_for(member_id=member().pk))
        for path in ("/console/second-factor/", "/console/second-factor/own/"):
            assert client.get(path)["Location"] == "/console/login/"

    def test_the_session_gets_a_new_name(self):
        boss = staff()
        secret, _ = with_factor(boss)
        client = console(boss)
        before = client.session.session_key

        client.post("/console/second-factor/", {"code": code(secret)})

        assert client.session.session_key != before

    def test_an_open_console_costs_no_query_more(self, django_assert_num_queries):
        plain_boss, boss = staff(), staff()
        secret, _ = with_factor(boss)
        client = console(boss)
        client.post("/console/second-factor/", {"code": code(secret)})
        other = console(plain_boss)
        other.get("/console/common/region/")
        with CaptureQueries() as without:
            other.get("/console/partners/region/")

        with django_assert_num_queries(len(without)):
            client.get("/console/partners/region/")


def CaptureQueries():
    from django.test.utils import CaptureQueriesContext

    return CaptureQueriesContext(connection)


class TestRecovery:
    def test_each_code_opens_once(self):
        boss = staff()
        _, codes = with_factor(boss)
        typed = f"{codes[3][:5]}-{codes[3][5:]}".lower()

        assert console(boss).post("/console/second-factor/", {"code": typed}).status_code == 302
        assert console(boss).post("/console/second-factor/", {"code": typed}).status_code == 422
        assert len(SecondFactor.objects.get().recovery) == 9
        assert AuditRecord.objects.get(action="secondfactor.recovered").actor == boss

    def test_another_logins_code_does_not_open(self):
        boss, other = staff(), staff()
        with_factor(boss)
        _, codes = with_factor(other)

        answer = console(boss).post("/console/second-factor/", {"code": codes[0]})

        assert answer.status_code == 422

    def test_new_ones_make_the_old_ones_void(self):
        boss = staff()
        secret, old = with_factor(boss)
        client = console(boss)
        client.post("/console/second-factor/", {"code": old[0]})
        shown = client.post("/console/second-factor/own/", {"code": code(secret)})
        new = re.findall(r"<li>(\w{5})-(\w{5})</li>", shown.content.decode())

        assert len(new) == 10
        forget_tries()
        assert console(boss).post("/console/second-factor/", {"code": old[1]}).status_code == 422
        answer = console(boss).post("/console/second-factor/", {"code": "".join(new[0])})
        assert answer.status_code == 302

    def test_new_ones_ask_for_a_code(self):
        boss = staff()
        secret, old = with_factor(boss)
        client = console(boss)
        client.post("/console/second-factor/", {"code": old[0]})

        client.post("/console/second-factor/own/", {"code": wrong(code(secret))})

        assert len(SecondFactor.objects.get().recovery) == 9


class TestSettingUp:
    def test_who_may_do_more_than_look_sets_one_up_at_the_first_login(self, client, required):
        care = of_role("customer care")
        log_in(client, care)
        assert client.get("/console/").status_code == 302
        asked = client.get("/console/login/?next=/console/")
        asked = client.get(asked["Location"])
        assert asked["Location"] == "/console/second-factor/own/?next=/console/"
        page = client.get(asked["Location"]).content.decode()
        assert "data:image/svg+xml" in page
        secret = "".join(re.search(r'c-mono">([A-Z2-7 ]+)<', page)[1].split())

        shown = client.post(asked["Location"], {"code": code(secret)})

        assert len(re.findall(r"<li>\w{5}-\w{5}</li>", shown.content.decode())) == 10
        assert client.get("/console/").status_code == 200
        assert AuditRecord.objects.get(action="secondfactor.set").target == care.username
        # … and is asked for it from then on, whatever the setting says.
        other = Client()
        log_in(other, care)
        assert other.get("/console/").status_code == 302

    def test_a_wrong_code_sets_nothing_up_and_keeps_the_picture(self):
        boss = staff()
        client = console(boss)
        first = client.get("/console/second-factor/own/").content.decode()

        again = client.post("/console/second-factor/own/", {"code": "000000"})

        picture = re.compile(r'src="(data:image/svg[^"]+)"')
        assert picture.search(first)[1] == picture.search(again.content.decode())[1]
        assert not SecondFactor.objects.exists()

    def test_who_only_looks_need_not(self, required):
        assert console(of_role("auditor")).get("/console/").status_code == 200

    @pytest.mark.parametrize("role", ["administrator", "programme manager", "finance"])
    def test_who_decides_must(self, required, role):
        assert console(of_role(role)).get("/console/").status_code == 302

    def test_a_sandbox_asks_for_none(self):
        assert console(staff()).get("/console/").status_code == 200

    def test_production_asks_for_one_unless_told_otherwise(self, monkeypatch):
        import importlib

        from membership import settings as module

        for sandbox, told, wanted in [
            ("0", None, "required"), ("1", None, "optional"), ("0", "optional", "optional"),
        ]:  # fmt: skip
            monkeypatch.setenv("SANDBOX", sandbox)
            if told:
                monkeypatch.setenv("STAFF_MFA", told)
            assert wanted == importlib.reload(module).STAFF_MFA
        monkeypatch.undo()
        importlib.reload(module)

    def test_there_is_one_for_each_login(self):
        boss = staff()
        with_factor(boss)
        secret = second_factors.new_secret()

        with pytest.raises(second_factors.FactorSet):
            second_factors.confirm(user=boss, secret=secret, code=code(secret), at=timezone.now())

    def test_neither_secret_nor_codes_can_be_read(self):
        boss = staff()
        client = console(boss)
        page = client.get("/console/second-factor/own/").content.decode()
        offered = "".join(re.search(r'c-mono">([A-Z2-7 ]+)<', page)[1].split())
        assert offered not in str(dict(client.session))
        secret, codes = with_factor(boss)
        with connection.cursor() as cursor:
            cursor.execute("SELECT secret, recovery FROM common_secondfactor")
            kept = str([(sealed, [bytes(each) for each in left]) for sealed, left in cursor])

        assert secret not in kept
        assert not [each for each in codes if each in kept]
        assert SecondFactor.objects.get().secret == secret


class TestTakingItAway:
    def test_an_administrator_does_with_a_reason(self):
        boss, care = of_role("administrator"), of_role("customer care")
        with_factor(care)
        client = console(boss)
        listed = client.get(f"/console/common/user/{care.pk}/change/").content.decode()
        assert f"/console/staff/{care.pk}/second-factor/" in listed

        answer = client.post(
            f"/console/staff/{care.pk}/second-factor/", {"reason": "lost the phone, was here"}
        )

        assert answer.status_code == 302
        assert not SecondFactor.objects.exists()
        record = AuditRecord.objects.get(action="secondfactor.reset")
        assert (record.actor, record.target, record.reason) == (
            boss, care.username, "lost the phone, was here",
        )  # fmt: skip

    def test_a_session_that_proved_the_old_one_proves_nothing_more(self, required):
        boss, care = staff(), of_role("customer care")
        secret, _ = with_factor(care)
        client = console(care)
        client.post("/console/second-factor/", {"code": code(secret)})
        assert client.get("/console/").status_code == 200
        second_factors.reset(user=care, by=boss, reason="lost")
        assert client.get("/console/").status_code == 302
        care.refresh_from_db()
        with_factor(care)

        assert client.get("/console/").status_code == 302

    def test_without_a_reason_nothing_happens(self):
        boss, care = of_role("administrator"), of_role("customer care")
        with_factor(care)

        console(boss).post(f"/console/staff/{care.pk}/second-factor/", {"reason": ""})

        assert SecondFactor.objects.exists()

    def test_nobody_takes_away_their_own(self):
        boss = staff()
        secret, _ = with_factor(boss)
        client = console(boss)
        client.post("/console/second-factor/", {"code": code(secret)})

        client.post(f"/console/staff/{boss.pk}/second-factor/", {"reason": "no more of it"})

        assert SecondFactor.objects.exists()

    def test_only_a_superuser_takes_away_a_superusers(self):
        boss, above = of_role("administrator"), staff()
        with_factor(above)

        answer = console(boss).post(
            f"/console/staff/{above.pk}/second-factor/", {"reason": "let me in"}
        )

        assert answer.status_code == 403
        assert SecondFactor.objects.exists()

    @pytest.mark.parametrize("role", ["customer care", "auditor", "programme manager"])
    def test_other_roles_do_not(self, role):
        care = of_role("customer care")
        with_factor(care)

        answer = console(of_role(role)).post(
            f"/console/staff/{care.pk}/second-factor/", {"reason": "x"}
        )

        assert answer.status_code == 403

    def test_members_logins_are_not_staff(self, boss):
        from members import operations as members

        login = members.login_for(member_id=member().pk)

        assert boss.get(f"/console/staff/{login.pk}/second-factor/").status_code == 404


def test_a_new_field_key_seals_the_secret_anew(settings):
    import base64

    secret, _ = with_factor(staff())
    fresh = base64.b64encode(b"n" * 32).decode()
    settings.FIELD_KEYS = [f"k2:{fresh}", *settings.FIELD_KEYS]
    call_command("rotate_field_keys")

    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM common_secondfactor")
        assert cursor.fetchone()[0].startswith("k2:")
    assert SecondFactor.objects.get().secret == secret


def test_what_is_harm():
    assert second_factor.may_do_harm(staff())
    assert second_factor.may_do_harm(of_role("customer care"))
    assert second_factor.may_do_harm(of_role("store clerk"))  # serves at the counter
    assert not second_factor.may_do_harm(of_role("auditor"))


def test_what_narrows_what_a_login_sees_is_no_harm():
    login = of_role("auditor")
    login.user_permissions.add(Permission.objects.get(codename="limited_to_dealer"))

    assert not second_factor.may_do_harm(login)


def test_the_page_speaks_chinese():
    text = text_of(console(staff(), language="zh-hans").get("/console/second-factor/own/"))

    assert "退出登录" in text
