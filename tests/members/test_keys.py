"""Rotating the keys personal data is sealed with."""

import base64
from io import StringIO

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from common import resealing
from members.models import Member
from messaging.models import SandboxCode
from tests import factories

pytestmark = pytest.mark.django_db
OLD = "old:" + base64.b64encode(b"o" * 32).decode()
NEW = "new:" + base64.b64encode(b"n" * 32).decode()


@pytest.fixture(autouse=True)
def _old_key(settings):
    settings.FIELD_KEYS = [OLD]


def rotate():
    out = StringIO()
    call_command("rotate_field_keys", stdout=out, stderr=StringIO())
    return dict(line.split() for line in out.getvalue().splitlines()[:-1])


def keys_in_use():
    """Key ids in every sealed column, straight from the tables."""
    found = set()
    with connection.cursor() as cursor:
        for column in resealing.sealed_columns():
            cursor.execute(
                f"SELECT DISTINCT split_part({column.name}, ':', 1) FROM {column.table}"
                f" WHERE {column.name} <> ''"
            )
            found |= {key for (key,) in cursor.fetchall()}
    return found


def test_every_sealed_column_is_known_the_history_included():
    labels = {column.label for column in resealing.sealed_columns()}

    assert {
        "members_member.phone",
        "members_member.email",
        "members_member.id_number",
        "members_historicalmember.phone",
        "messaging_sandboxcode.phone",
        "messaging_sandboxcode.code",
        "benefits_picture.content",
    } <= labels


def test_after_the_rotation_the_old_key_is_not_needed_anymore(settings):
    member = factories.member(
        phone="+8613800000001", email="吉𠮷@example.com", id_number="11010519491231002X"
    )
    bare = factories.member(phone="")
    SandboxCode.objects.create(phone="+8613800000001", code="123456", sent_at=timezone.now())
    assert keys_in_use() == {"old"}

    settings.FIELD_KEYS = [NEW, OLD]
    done = rotate()

    assert done["members_member.phone"] == "1"
    assert done["members_historicalmember.id_number"] == "1"
    assert done["messaging_sandboxcode.code"] == "1"
    assert keys_in_use() == {"new"}
    settings.FIELD_KEYS = [NEW]
    for found in (Member.objects.get(pk=member.pk), member.history.get()):
        assert found.phone == "+8613800000001"
        assert found.email == "吉𠮷@example.com"
        assert found.id_number == "11010519491231002X"
    assert SandboxCode.objects.get().code == "123456"
    assert Member.objects.get(pk=bare.pk).phone == ""


def test_rotating_again_finds_nothing_to_do(settings):
    factories.member()
    settings.FIELD_KEYS = [NEW, OLD]
    rotate()
    before = sealed_phones()

    assert set(rotate().values()) == {"0"}
    assert sealed_phones() == before


def test_an_interrupted_rotation_is_started_again(settings, monkeypatch):
    for _ in range(5):
        factories.member()
    settings.FIELD_KEYS = [NEW, OLD]
    monkeypatch.setattr(resealing, "CHUNK_VALUES", 2)
    phone = next(
        each for each in resealing.sealed_columns() if each.label == "members_member.phone"
    )
    chunks = resealing.reseal(phone)
    assert next(chunks) == 2
    chunks.close()
    assert resealing.values_left(phone) == 3

    assert list(resealing.reseal(phone)) == [2, 1]
    assert resealing.values_left(phone) == 0


def test_a_key_taken_out_too_early_is_named_and_what_was_done_stays(settings):
    factories.member()
    settings.FIELD_KEYS = [NEW]

    with pytest.raises(CommandError, match="'old'"):
        rotate()

    with pytest.raises(ImproperlyConfigured):
        Member.objects.get()
    settings.FIELD_KEYS = [NEW, OLD]
    assert Member.objects.get().phone


def sealed_phones():
    with connection.cursor() as cursor:
        cursor.execute("SELECT phone FROM members_member ORDER BY id")
        return cursor.fetchall()
