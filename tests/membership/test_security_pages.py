"""E-mail and password as a second way in (M1)."""

import re
import time
from datetime import timedelta

import pytest
import time_machine
from axes.models import AccessAttempt
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from common import limits
from common.models import AuditRecord, User
from members import operations as members
from members.models import EmailDirectory, Member
from membership import accounts, links, tasks
from messaging.models import Delivery, Message
from tests.factories import member, staff
from tests.mail_server import mail_server
from tests.membership.test_web import comparable, logged_in, text_of

pytestmark = pytest.mark.django_db
EMAIL = "wang@example.com"
NOBODYS = "nobody@example.com"
PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def _post(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    with mail_server() as server:
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        Post.letters = server.letters
        yield


class Post:
    """What the mail server of the test took."""

    letters: list = []


def forget_limits():
    for key in limits.client().scan_iter("limit:*"):
        limits.client().delete(key)


def link_in(letter):
    return re.search(r"http://127\.0\.0\.1:8000(/\S+)", letter.get_content())[1]


def the_link():
    return link_in(Post.letters[-1])


def confirm(client, email=EMAIL):
    client.post("/security/", {"email": email})
    return client.post(the_link())


def with_password(email=EMAIL, password=PASSWORD, **profile):
    """A member who can log in by e-mail."""
    one = member(**profile)
    accounts.confirm_email(
        links.Confirmation(member_id=one.pk, email=email, replacing=b""), at=timezone.now()
    )
    accounts.set_password(member=one, password=password, at=timezone.now())
    return one


def log_in(client, email=EMAIL, password=PASSWORD, **extra):
    return client.post("/login/email/", {"email": email, "password": password, **extra})


class TestConfirming:
    def test_a_link_is_sent_and_its_button_lets_one_log_in_with_the_address(self):
        one = member()
        client = logged_in(one)

        asked = client.post("/security/", {"email": "Wang@Example.COM "})
        assert "w***@example.com" in text_of(asked)
        (letter,) = Post.letters
        assert letter["To"] == EMAIL
        path = link_in(letter)
        # Mail programs open links by themselves: that confirms nothing.
        assert "w***@example.com" in text_of(client.get(path))
        assert not EmailDirectory.objects.exists()
        assert client.post(path)["Location"] == "/security/"

        assert EmailDirectory.objects.get().member == one
        one.refresh_from_db()
        assert one.email == EMAIL
        assert "w***@example.com" in text_of(client.get("/security/"))
        assert Message.objects.get(template="account.email_confirmed").member == one
        assert AuditRecord.objects.get(action="member.email_confirmed").target == one.number

    def test_a_link_works_once(self):
        client = logged_in(member())
        client.post("/security/", {"email": EMAIL})
        first = the_link()
        client.post(first)
        forget_limits()
        confirm(client, "other@example.com")

        answer = client.post(first)

        assert answer.status_code == 409
        assert bytes(EmailDirectory.objects.get().email_index) == members_index("other@example.com")

    def test_the_older_of_two_links_is_void_once_the_other_was_used(self):
        client = logged_in(member())
        client.post("/security/", {"email": EMAIL})
        client.post("/security/", {"email": "other@example.com"})
        older, newer = (link_in(letter) for letter in Post.letters)
        client.post(newer)

        assert client.post(older).status_code == 409
        assert bytes(EmailDirectory.objects.get().email_index) == members_index("other@example.com")

    def test_a_link_is_good_for_a_day(self):
        one = member()
        client = logged_in(one)
        client.post("/security/", {"email": EMAIL})

        with time_machine.travel(timezone.now() + timedelta(days=1, minutes=1)):
            assert client.post(the_link()).status_code == 409
        assert not EmailDirectory.objects.exists()

    def test_a_link_is_of_no_use_to_another_member_or_a_visitor(self):
        client = logged_in(member())
        client.post("/security/", {"email": EMAIL})

        assert logged_in(member()).post(the_link()).status_code == 409
        assert Client().post(the_link())["Location"].startswith("/login/?next=/security/email/")
        assert not EmailDirectory.objects.exists()

    @pytest.mark.parametrize("token", ["x", "a:b:c", "%00", "𠮷"])
    def test_what_is_no_link_of_ours_is_told_so(self, token):
        assert logged_in(member()).post(f"/security/email/{token}/").status_code == 409

    def test_the_link_does_not_show_the_address(self):
        client = logged_in(member())
        client.post("/security/", {"email": EMAIL})

        assert "wang" not in the_link()

    def test_an_address_another_has_is_told_only_to_who_reads_its_mail(self):
        with_password()
        client = logged_in(member())
        answers = [
            comparable(client.post("/security/", {"email": email})) for email in (EMAIL, NOBODYS)
        ]
        assert answers[0].replace("w***", "") == answers[1].replace("n***", "")
        taken, free = (link_in(letter) for letter in Post.letters[-2:])

        assert client.post(taken).status_code == 409
        assert client.post(free).status_code == 302
        assert EmailDirectory.objects.count() == 2

    @pytest.mark.parametrize(
        "typed",
        ["", "x", "a@b", "@example.com", "a b@example.com", "x" * 250 + "@a.cn", "a@b.cn\x00"],
    )
    def test_what_is_no_address_is_told_so(self, typed):
        answer = logged_in(member()).post("/security/", {"email": typed})

        assert answer.status_code == 200
        assert 'role="alert"' in answer.content.decode()
        assert Post.letters == []

    def test_one_letter_a_minute_to_an_address(self):
        client = logged_in(member())
        client.post("/security/", {"email": EMAIL})

        answer = client.post("/security/", {"email": EMAIL})

        assert (answer.status_code, len(Post.letters)) == (429, 1)

    def test_an_address_corrected_by_staff_must_be_confirmed_anew(self, client):
        one = with_password()
        members.update_profile(
            member_id=one.pk, changes={"email": "new@example.com"}, at=timezone.now(),
            by=staff(), reason="asked",
        )  # fmt: skip

        assert not EmailDirectory.objects.exists()
        assert log_in(client).status_code == 422
        assert log_in(client, "new@example.com").status_code == 422

    def test_a_closed_membership_leaves_the_address_free(self, client):
        one = with_password()
        members.close(member_id=one.pk, closed_at=timezone.now(), by=None, reason="wish")

        assert log_in(client).status_code == 422
        assert confirm(logged_in(member())).status_code == 302


def members_index(email):
    from members import queries

    return queries.email_index(email)


class TestLogin:
    def test_by_e_mail_and_password(self, client):
        one = with_password()

        answer = log_in(client, " WANG@example.com", next="/statement/")

        assert (answer.status_code, answer["Location"]) == (302, "/")
        assert one.number in text_of(client.get("/"))

    def test_a_wrong_password_an_unknown_address_and_one_not_confirmed_get_the_same_answer(self):
        with_password()
        member(email="unproven@example.com")
        without = member()
        accounts.confirm_email(
            links.Confirmation(member_id=without.pk, email="none@example.com", replacing=b""),
            at=timezone.now(),
        )
        answers = []
        for email in (EMAIL, NOBODYS, "unproven@example.com", "none@example.com"):
            answer = log_in(Client(), email, "wrong password")
            answers.append((answer.status_code, comparable(answer)))

        assert {status for status, _ in answers} == {422}
        assert len({text for _, text in answers}) == 1

    @pytest.mark.parametrize("email", [EMAIL, NOBODYS, "none@example.com"])
    def test_each_refusal_costs_one_hash(self, email, monkeypatch):
        """The time of an answer tells nothing: whoever has the address, one password is hashed."""
        from django.contrib.auth import hashers

        with_password()
        without = member()
        accounts.confirm_email(
            links.Confirmation(member_id=without.pk, email="none@example.com", replacing=b""),
            at=timezone.now(),
        )
        hashed = []
        hasher = hashers.get_hasher("default").__class__
        encode = hasher.encode

        def counted(self, password, salt, *rest):
            hashed.append(password)
            return encode(self, password, salt, *rest)

        monkeypatch.setattr(hasher, "encode", counted)
        log_in(Client(), email, "wrong password")

        assert len(hashed) == 1

    def test_five_wrong_ones_lock_and_the_right_one_is_not_confirmed_then(self):
        with_password()
        answers = [log_in(Client(), password=f"wrong {n}").status_code for n in range(5)]

        assert answers == [422, 422, 422, 422, 429]
        locked = log_in(Client())
        assert locked.status_code == 429
        assert "console" not in text_of(locked)
        # Elsewhere the member gets in: nobody is locked out by a stranger.
        assert log_in(Client(REMOTE_ADDR="198.51.100.9")).status_code == 302

    def test_strangers_addresses_lock_too(self):
        answers = [log_in(Client(), NOBODYS, f"wrong {n}").status_code for n in range(5)]

        assert answers == [422, 422, 422, 422, 429]

    def test_tries_from_many_addresses_are_counted_together(self):
        with_password()
        for n in range(30):
            log_in(Client(REMOTE_ADDR=f"198.51.100.{n}"), password="wrong")

        assert log_in(Client(REMOTE_ADDR="198.51.100.99")).status_code == 429

    def test_failed_logins_are_kept_without_the_address(self):
        with_password()
        log_in(Client(), EMAIL, "wrong")
        log_in(Client(), NOBODYS, "wrong")

        kept = " ".join(str(row) for row in AccessAttempt.objects.values_list())
        assert AccessAttempt.objects.count() == 2
        assert "example.com" not in kept
        assert "wrong" not in kept

    def test_staff_do_not_log_in_here(self):
        boss = staff()
        boss.email = "boss@example.com"
        boss.set_password(PASSWORD)
        boss.save()

        for name in ("boss@example.com", boss.username):
            assert log_in(Client(), name).status_code in (200, 422)

    def test_members_do_not_log_in_at_the_console(self, client):
        one = with_password()

        client.post("/console/login/", {"username": one.number, "password": PASSWORD})

        assert "_auth_user_id" not in client.session

    def test_without_redis_nobody_guesses(self, client, monkeypatch):
        with_password()
        gone = limits.connect("redis://127.0.0.1:1/0")
        monkeypatch.setattr(limits, "client", lambda: gone)

        assert log_in(client).status_code == 503


class TestPassword:
    def test_setting_one_keeps_this_session_ends_the_others_and_is_told(self):
        one = member()
        here, there = logged_in(one), logged_in(one)

        answer = here.post(
            "/security/password/", {"new_password1": PASSWORD, "new_password2": PASSWORD}
        )

        assert answer["Location"] == "/security/"
        assert here.get("/").status_code == 200
        assert there.get("/").status_code == 302
        one.refresh_from_db()
        assert one.user.check_password(PASSWORD)
        assert Message.objects.get(template="account.password_set").member == one
        assert AuditRecord.objects.get(action="member.password_set").actor == one.user

    def test_changing_it_asks_for_the_old_one(self):
        one = with_password()
        one.refresh_from_db()
        client = logged_in(one)
        new = {"new_password1": "another long one", "new_password2": "another long one"}

        assert client.post("/security/password/", new).status_code == 200
        assert client.post("/security/password/", new | {"old_password": "no"}).status_code == 200
        answer = client.post("/security/password/", new | {"old_password": PASSWORD})

        assert answer.status_code == 302
        assert User.objects.get(pk=one.user_id).check_password("another long one")

    def test_guesses_of_the_old_one_are_counted(self):
        one = with_password()
        one.refresh_from_db()
        client = logged_in(one)
        new = {"new_password1": "another long one", "new_password2": "another long one"}
        for n in range(10):
            client.post("/security/password/", new | {"old_password": f"{n}"})

        answer = client.post("/security/password/", new | {"old_password": PASSWORD})

        assert answer.status_code == 429
        assert User.objects.get(pk=one.user_id).check_password(PASSWORD)

    @pytest.mark.parametrize("weak", ["short", "password123", "12345678901234", "number"])
    def test_weak_ones_are_refused(self, weak):
        one = member()
        weak = one.number if weak == "number" else weak
        answer = logged_in(one).post(
            "/security/password/", {"new_password1": weak, "new_password2": weak}
        )

        assert answer.status_code == 200
        assert 'role="alert"' in answer.content.decode()
        one.refresh_from_db()
        assert not one.user.has_usable_password()

    def test_production_hashes_with_argon2(self):
        from membership import settings as production

        assert production.PASSWORD_HASHERS[0].endswith("Argon2PasswordHasher")

    @pytest.mark.parametrize("path", ["/security/", "/security/password/"])
    def test_who_is_not_activated_yet_is_led_to_that_first(self, path):
        assert logged_in(member(active=False)).get(path)["Location"] == "/activate/"

    @pytest.mark.parametrize("path", ["/security/", "/security/password/"])
    def test_visitors_log_in_first(self, client, path):
        assert client.get(path)["Location"] == f"/login/?next={path}"


def is_over(client, path):
    """Told so at once; a good link goes on to the form."""
    answer = client.get(path)
    return answer.status_code == 200 and 'role="alert"' in answer.content.decode()


class TestReset:
    def ask(self, client, email=EMAIL):
        return client.post("/password/", {"email": email})

    def set(self, client, path, password="another long one"):
        opened = client.get(path)
        return client.post(
            opened["Location"], {"new_password1": password, "new_password2": password}
        )

    def test_by_a_link_that_works_once(self, client):
        one = with_password()
        self.ask(client)
        path = the_link()

        assert self.set(client, path)["Location"] == "/login/email/"
        assert log_in(Client(), password=PASSWORD).status_code == 422
        assert log_in(Client(), password="another long one").status_code == 302
        assert is_over(client, path)
        assert Message.objects.filter(template="account.password_set", member=one).count() == 2

    def test_members_and_strangers_get_the_same_answer_and_cost_the_same(self, monkeypatch):
        with_password()
        asked = []
        monkeypatch.setattr(tasks.send_reset, "apply_async", lambda **what: asked.append(what))
        answers, counts = [], []
        Client().get("/password/")  # the brand is cached from here on
        for email in (EMAIL, NOBODYS):
            with CaptureQueriesContext(connection) as queries:
                answer = self.ask(Client(), email)
            answers.append((answer.status_code, comparable(answer).replace(email[0] + "***", "")))
            counts.append([query["sql"].split()[0] for query in queries])

        assert answers[0] == answers[1]
        assert counts[0] == counts[1]
        assert len(asked) == 2
        assert "example.com" not in str(asked)

    def test_nobodys_address_gets_no_letter(self, client):
        member(email=NOBODYS)  # told us, but not proven

        self.ask(client, NOBODYS)

        assert Post.letters == []

    def test_a_link_is_good_for_an_hour(self, client):
        with_password()
        self.ask(client)

        with time_machine.travel(time.time() + 3660):
            assert is_over(client, the_link())

    def test_a_link_is_void_once_the_address_is_not_the_members_any_more(self, client):
        one = with_password()
        self.ask(client)
        members.update_profile(
            member_id=one.pk, changes={"email": "new@example.com"}, at=timezone.now(),
            by=staff(), reason="asked",
        )  # fmt: skip

        assert is_over(client, the_link())

    def test_who_closed_gets_no_letter_and_an_old_link_is_void(self, client):
        one = with_password()
        self.ask(client)
        path = the_link()
        members.close(member_id=one.pk, closed_at=timezone.now(), by=None, reason="wish")
        forget_limits()
        self.ask(client)

        assert len(Post.letters) == 1
        assert is_over(client, path)

    @pytest.mark.parametrize("path", ["/password/MQ/x-y/", "/password/𠮷/set-password/"])
    def test_what_is_no_link_of_ours_is_told_so(self, client, path):
        answer = client.get(path)

        assert answer.status_code == 200
        assert 'role="alert"' in answer.content.decode()


def test_neither_address_nor_password_is_readable_in_the_database():
    one = with_password()
    with connection.cursor() as cursor:
        cursor.execute("SELECT email FROM members_member WHERE id = %s", [one.pk])
        (kept,) = cursor.fetchone()

    assert "wang" not in kept
    assert "wang" not in str(list(EmailDirectory.objects.values_list()))
    assert "wang@" not in str(list(Message.objects.values_list("variables")))
    assert Delivery.objects.filter(is_urgent=True).exists()
    assert Member.objects.get(pk=one.pk).email == EMAIL
