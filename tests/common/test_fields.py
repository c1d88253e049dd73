"""Sealed columns and their blind index."""

import base64

import pytest
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.db import connection

from common import fields
from members.models import Member
from tests.factories import member

COLUMN = "members_member.phone"
OLD, NEW = ("k1:" + base64.b64encode(bytes([n] * 32)).decode() for n in (1, 2))
NEW = NEW.replace("k1", "k2")


@pytest.fixture(autouse=True)
def _keys(settings):
    settings.FIELD_KEYS = [OLD]


@pytest.mark.parametrize("text", ["+8613812345678", "𠮷㑇🚗", "a" * 10_000, "0" * 12])
def test_opens_what_it_sealed(text):
    stored = fields.seal(text, column=COLUMN)

    assert stored.startswith("k1:")
    assert text not in stored
    assert fields.unseal(stored, column=COLUMN) == text


def test_equal_texts_look_different_each_time():
    assert fields.seal("x", column=COLUMN) != fields.seal("x", column=COLUMN)


def test_a_value_moved_to_another_column_does_not_open():
    stored = fields.seal("x", column=COLUMN)

    with pytest.raises(ImproperlyConfigured, match=r"members_member\.email does not open"):
        fields.unseal(stored, column="members_member.email")


def tampered():
    key, _, encoded = fields.seal("secret", column=COLUMN).partition(":")
    raw = base64.b64decode(encoded)
    for place in range(len(raw)):
        changed = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        yield f"{key}:{base64.b64encode(changed).decode()}"
    yield f"{key}:{base64.b64encode(raw[:-1]).decode()}"
    yield from (
        f"{key}:",
        f"{key}:AAAA",
        f"{key}:{encoded[:-1]}",
        f"{key}:!!!!{encoded}",
        f"{key}:é",
    )


def test_nothing_tampered_with_opens(settings):
    for stored in tampered():
        with pytest.raises(ImproperlyConfigured, match="does not open with its key"):
            fields.unseal(stored, column=COLUMN)


def test_without_its_key_nothing_opens(settings):
    stored = fields.seal("x", column=COLUMN)
    settings.FIELD_KEYS = [NEW]

    with pytest.raises(ImproperlyConfigured, match="FIELD_KEYS lacks the key 'k1'"):
        fields.unseal(stored, column=COLUMN)


def test_a_value_that_was_never_sealed_is_not_told_in_the_message():
    with pytest.raises(ImproperlyConfigured) as error:
        fields.unseal("+8613812345678", column=COLUMN)

    assert "138" not in str(error.value)


def test_a_new_first_key_seals_and_the_old_one_still_opens(settings):
    stored = fields.seal("x", column=COLUMN)
    settings.FIELD_KEYS = [NEW, OLD]

    assert fields.newest_key_id() == "k2"
    assert fields.seal("y", column=COLUMN).startswith("k2:")
    assert fields.unseal(stored, column=COLUMN) == "x"


@pytest.mark.parametrize(
    "keys",
    [
        [],
        ["k1:"],
        ["k1:AAAA"],
        ["k1:not base64!"],
        ["k1"],
        [OLD, OLD],
        [":" + OLD.partition(":")[2]],
    ],
)
def test_keys_that_are_none_stop_the_work(settings, keys):
    settings.FIELD_KEYS = keys

    with pytest.raises(ImproperlyConfigured):
        fields.seal("x", column=COLUMN)


def test_the_blind_index_finds_equals_and_tells_nothing(settings):
    first = fields.blind_index("+8613812345678", purpose="members.phone")

    assert first == fields.blind_index("+8613812345678", purpose="members.phone")
    assert len(first) == 32
    assert first != fields.blind_index("+8613812345679", purpose="members.phone")
    assert first != fields.blind_index("+8613812345678", purpose="members.id_number")
    settings.FIELD_INDEX_KEY = base64.b64encode(bytes([9] * 32)).decode()
    assert first != fields.blind_index("+8613812345678", purpose="members.phone")


@pytest.mark.django_db
class TestColumn:
    def stored(self, pk):
        with connection.cursor() as cursor:
            cursor.execute("SELECT phone, email FROM members_member WHERE id = %s", [pk])
            return cursor.fetchone()

    def test_is_sealed_in_the_database_and_readable_in_python(self):
        of = member(phone="+8613812345678")

        assert self.stored(of.pk)[0].startswith("k1:")
        # What is not known needs no seal.
        assert self.stored(of.pk)[1] == ""
        assert Member.objects.get(pk=of.pk).phone == "+8613812345678"
        assert Member.objects.values_list("phone", flat=True).get(pk=of.pk) == "+8613812345678"

    def test_of_the_history_too(self):
        of = member(phone="+8613812345678")

        with connection.cursor() as cursor:
            cursor.execute("SELECT phone FROM members_historicalmember WHERE id = %s", [of.pk])
            assert cursor.fetchone()[0].startswith("k1:")
        assert of.history.get().phone == "+8613812345678"

    def test_every_way_of_writing_seals(self):
        first, second = member(), member()
        Member.objects.filter(pk=first.pk).update(email="a@example.com")
        second.email = "b@example.com"
        Member.objects.bulk_update([second], ["email"])

        assert [self.stored(one.pk)[1][:3] for one in (first, second)] == ["k1:", "k1:"]
        assert Member.objects.get(pk=second.pk).email == "b@example.com"

    @pytest.mark.parametrize(
        "lookup", ["", "__in", "__contains", "__icontains", "__startswith", "__gt"]
    )
    def test_a_search_that_can_find_nothing_is_refused_loudly(self, lookup):
        with pytest.raises(FieldError, match="Unsupported lookup"):
            Member.objects.filter(**{f"phone{lookup}": "x"}).exists()

    def test_whether_there_is_one_may_be_asked(self):
        member()

        assert Member.objects.filter(phone__isnull=False).count() == 1
