"""One-time codes over a provider, as in production."""

import json
import re

import pytest
from django.utils import timezone
from django.utils.translation import override

from common import limits
from messaging import challenges, operations
from messaging.models import SandboxCode
from messaging.operations import _codes
from tests import providers
from tests.factories import member

PHONE = "+8613800138000"
OTHER = "+8613900139000"

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["ali", "qcloud"])
def provider(request, settings):
    settings.SANDBOX = False
    return request.getfixturevalue(request.param)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(_codes, "WAITS_SECONDS", (0, 0))


def ask(phone=PHONE):
    return operations.ask_for_code(phone=phone, address="198.51.100.7")


def code_in(sent):
    given = sent.get("TemplateParamSet") or list(json.loads(sent["TemplateParam"]).values())
    [code] = given
    assert re.fullmatch(r"\d{6}", code)
    return code


def template_of(sent):
    return sent.get("TemplateId") or sent["TemplateCode"]


def test_the_code_that_arrives_proves_the_phone_and_stands_in_no_table(provider):
    member(phone=PHONE)

    challenge = ask()

    [sent] = provider.sent
    assert operations.answer(challenge=challenge, code=code_in(sent)) == PHONE
    assert not SandboxCode.objects.exists()


def test_in_the_language_of_the_page_or_the_first_one(provider):
    member(phone=PHONE)
    member(phone=OTHER)
    with override("en"):
        ask()
    with override("zh-hant"):
        ask(OTHER)

    assert [template_of(sent) for sent in provider.sent] == ["1111", "1110"]


def test_nobodys_phone_costs_nothing_and_looks_the_same(provider):
    assert ask()
    assert provider.requests == []


def test_a_fault_of_a_moment_is_gone_over_at_once(provider):
    member(phone=PHONE)
    provider.answers += [(500, {}, b"oops"), providers.HANG_UP]

    challenge = ask()

    assert len(provider.sent) == 1
    assert operations.answer(challenge=challenge, code=code_in(provider.sent[0])) == PHONE


def test_what_does_not_get_better_is_given_up_and_logged_without_phone_or_code(provider, caplog):
    member(phone=PHONE)
    provider.answers += [(500, {}, b"oops")] * 9

    ask()

    assert len(provider.answers) == 6
    assert "could not be sent" in caplog.text
    assert "13800138000" not in caplog.text


def test_no_more_than_a_days_worth(provider, settings, caplog):
    settings.SMS_CODES_PER_DAY = 1
    for phone in (PHONE, OTHER):
        member(phone=phone)
        ask(phone)

    assert len(provider.sent) == 1
    assert "SMS_CODES_PER_DAY" in caplog.text
    assert limits.client().get("limit:codes:sent:day") == "2"


def test_without_a_provider_production_refuses(settings):
    settings.SANDBOX, settings.SMS_PROVIDER = False, ""
    with pytest.raises(operations.NoSmsProvider):
        ask()


def test_a_repeated_start_of_the_worker_sends_another_code_and_the_later_one_counts(provider):
    member(phone=PHONE)
    challenge = ask()
    operations.send_code(challenge=challenge, sent_at=timezone.now())

    codes = [code_in(sent) for sent in provider.sent]
    assert challenges.attempt(challenge, codes[-1]).phone == PHONE
