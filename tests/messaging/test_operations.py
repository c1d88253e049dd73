from concurrent.futures import ThreadPoolExecutor

import pytest

from common import limits
from messaging import challenges, operations
from messaging.models import SandboxCode
from tests.factories import member

PHONE = "+8613800138000"
NOBODYS = "+8613900139000"

pytestmark = pytest.mark.django_db


def ask(phone=PHONE, address="198.51.100.7"):
    return operations.ask_for_code(phone=phone, address=address)


def the_code():
    return SandboxCode.objects.latest("pk").code


def wrong(code):
    return f"{(int(code) + 1) % 1_000_000:06d}"


def forget(pattern):
    for key in limits.client().scan_iter(pattern):
        limits.client().delete(key)


class TestAskForCode:
    def test_a_member_gets_six_digits_and_the_right_answer_proves_the_phone(self):
        member(phone=PHONE)

        challenge = ask()

        code = SandboxCode.objects.get()
        assert (code.phone, len(code.code), code.code.isdecimal()) == (PHONE, 6, True)
        assert operations.answer(challenge=challenge, code=code.code) == PHONE

    def test_nobodys_phone_gets_a_challenge_but_no_code(self):
        challenge = ask(NOBODYS)

        assert not SandboxCode.objects.exists()
        with pytest.raises(operations.WrongCode) as refusal:
            operations.answer(challenge=challenge, code="000000")
        assert refusal.value.details == {"left": 4}

    def test_a_closed_membership_gets_no_code(self):
        from django.utils import timezone

        from members import operations as members

        one = member(phone=PHONE)
        members.close(member_id=one.pk, closed_at=timezone.now(), by=None, reason="wish")

        ask()

        assert not SandboxCode.objects.exists()

    def test_neither_code_nor_phone_can_be_read_in_redis(self):
        member(phone=PHONE)

        ask()

        kept = [limits.client().get(key) for key in limits.client().scan_iter("challenge:*")]
        kept += list(limits.client().scan_iter("*"))
        assert len(kept) >= 4
        assert not [value for value in kept if the_code() in value or "13800138000" in value]

    @pytest.mark.parametrize("phone", [PHONE, NOBODYS])
    def test_one_a_minute_whoever_has_the_phone(self, phone):
        member(phone=PHONE)
        ask(phone)
        sent = SandboxCode.objects.count()

        with pytest.raises(limits.TooMany) as refusal:
            ask(phone, address="203.0.113.9")

        assert 0 < refusal.value.details["retry_after"] <= 60
        assert SandboxCode.objects.count() == sent

    def test_five_a_day_and_being_told_to_wait_uses_up_none(self):
        member(phone=PHONE)
        for _ in range(5):
            ask()
            with pytest.raises(limits.TooMany):
                ask()
            forget("limit:*:minute")

        with pytest.raises(limits.TooMany) as refusal:
            ask()

        assert refusal.value.details["retry_after"] > 80_000
        assert SandboxCode.objects.count() == 5

    def test_thirty_an_hour_from_one_address(self):
        for n in range(30):
            ask(f"+86139{n:08d}")

        with pytest.raises(limits.TooMany):
            ask("+8613912345678")
        ask("+8613912345678", address="203.0.113.9")

    def test_asks_at_the_same_instant_are_counted_each(self):
        def one(_):
            try:
                limits.consume("race", limit=3, seconds=60)
            except limits.TooMany:
                return False
            return True

        with ThreadPoolExecutor(16) as pool:
            passed = sum(pool.map(one, range(48)))

        assert passed == 3

    def test_without_redis_nobody_gets_a_code(self, monkeypatch):
        member(phone=PHONE)
        gone = limits.connect("redis://127.0.0.1:1/0")
        monkeypatch.setattr(limits, "client", lambda: gone)

        with pytest.raises(limits.Unavailable):
            ask()
        with pytest.raises(limits.Unavailable):
            operations.answer(challenge="x", code="000000")
        assert not SandboxCode.objects.exists()

    @pytest.mark.parametrize("phone", [PHONE, NOBODYS])
    def test_outside_a_sandbox_everybody_hears_that_there_is_no_provider(self, settings, phone):
        settings.SANDBOX = False
        member(phone=PHONE)

        with pytest.raises(operations.NoSmsProvider):
            ask(phone)

        assert not SandboxCode.objects.exists()
        assert list(limits.client().scan_iter("*")) == []


class TestAnswer:
    @pytest.fixture
    def challenge(self):
        member(phone=PHONE)
        return ask()

    def test_a_code_works_once(self, challenge):
        operations.answer(challenge=challenge, code=the_code())

        with pytest.raises(operations.ChallengeOver):
            operations.answer(challenge=challenge, code=the_code())

    def test_after_five_wrong_tries_the_right_code_is_too_late(self, challenge):
        for left in (4, 3, 2, 1):
            with pytest.raises(operations.WrongCode) as refusal:
                operations.answer(challenge=challenge, code=wrong(the_code()))
            assert refusal.value.details == {"left": left}
        with pytest.raises(operations.ChallengeOver):
            operations.answer(challenge=challenge, code=wrong(the_code()))

        with pytest.raises(operations.ChallengeOver):
            operations.answer(challenge=challenge, code=the_code())

    def test_a_code_is_good_for_five_minutes(self, challenge):
        ends = [limits.client().ttl(key) for key in limits.client().scan_iter("challenge:*")]
        assert [0 < seconds <= 300 for seconds in ends] == [True, True]

        forget("challenge:*:phone")  # what Redis does when the time is over

        with pytest.raises(operations.ChallengeOver):
            operations.answer(challenge=challenge, code=the_code())

    def test_a_code_answers_only_its_own_challenge(self, challenge):
        member(phone=NOBODYS)
        code = the_code()
        other = ask(NOBODYS)
        if the_code() == code:  # one in a million
            return

        with pytest.raises(operations.WrongCode):
            operations.answer(challenge=other, code=code)

    @pytest.mark.parametrize("code", ["", "0", "abcdef", "𠮷𠮷𠮷", "1" * 1000, "\x00"])
    def test_nonsense_is_a_wrong_code(self, challenge, code):
        with pytest.raises(operations.WrongCode):
            operations.answer(challenge=challenge, code=code)

    def test_an_unknown_challenge_is_over(self):
        with pytest.raises(operations.ChallengeOver):
            operations.answer(challenge="never given", code="000000")

    def test_guesses_at_the_same_instant_are_counted_each(self, challenge):
        def guess(n):
            return challenges.attempt(challenge, f"guess {n}").tries_left

        with ThreadPoolExecutor(16) as pool:
            left = sorted(pool.map(guess, range(40)))

        assert [n for n in left if n] == [1, 2, 3, 4]

    def test_of_two_right_answers_at_the_same_instant_one_wins(self, challenge):
        code = the_code()

        with ThreadPoolExecutor(4) as pool:
            phones = list(pool.map(lambda _: challenges.attempt(challenge, code).phone, range(4)))

        assert sorted(phones) == ["", "", "", PHONE]


def test_a_worker_that_comes_too_late_sends_nothing():
    from django.utils import timezone

    member(phone=PHONE)

    operations.send_code(challenge="over", sent_at=timezone.now())

    assert not SandboxCode.objects.exists()
