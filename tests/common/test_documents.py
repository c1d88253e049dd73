"""What comes in is read the quick way if it is right, with the same result as the thorough way."""

from decimal import Decimal
from importlib import import_module

import pytest
from django.core.validators import StepValueValidator
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from common.api.fields import Document, Flag, Text, Whole
from common.api.parsing import parse
from tests.architecture.source import ROOMS

ODD = [
    True, False, 0, 1, -1, 10**30, Decimal("1.5"), Decimal("-0.0"), Decimal(20), "", " ", "x",
    " x", "x" * 300, "1", "1.005", "2026-02-29", "2026-06-15", "1800-01-01", "2026-06-15T12:00:00Z",
    "2026-06-15T23:59:60+08:00", "2026-06-15T12:00:00", "M0000000018", "王", "\u2028",
    "purchase", "return", "activity", "redemption", "SERVICE", "SHIP", "OTHER", [], [None],
    [1], [{}], {}, {"x": 1},
    [{"purpose": "MARKETING", "agreed": False}],
    [{"line": "1", "amount": "1.00"}],
    [{"line": "1", "category": "parts", "amount": 1, "note": ""}],
    [{"line": "1", "category": "parts", "amount": 1}] * 501,
    [{"token": "x", "store": "x", "receipt": "x", "used_at": "2026-06-15T12:00:00Z"}],
    {"identifier": "LSVAM4187C2184841"},
    {"identifier": "LSVAM4187C2184841", "name": None},
    None,
]  # fmt: skip


def documents(base=Document):
    for each in base.__subclasses__():
        if each.__module__.partition(".")[0] in ROOMS and each._declared_fields:
            yield each
        yield from documents(each)


for room in ROOMS:
    try:
        import_module(f"{room}.api.views")
    except ModuleNotFoundError:
        continue


class Unusual(Document):
    """What no document of ours uses yet."""

    note = Text(limit=5, allow_null=True)
    few = serializers.ListField(child=Whole(low=0, high=9), allow_empty=False)
    many = serializers.ListField(child=Flag(), allow_null=True)
    even = Whole(low=0, high=9, validators=[StepValueValidator(2)])


DOCUMENTS = [*dict.fromkeys(documents()), Unusual]


def right(document):
    """A document with each field at a value it accepts."""
    found = {}
    for name, field in document.reader().fields.items():
        for value in ODD:
            try:
                field.run_validation(value)
            except ValidationError:
                continue
            found[name] = value
            break
    return found


def variants(document):
    """The right one, and each that differs from it in one place."""
    whole = right(document)
    yield from (whole, None, [], "x", [whole], {}, whole | {"unknown": 1})
    for name in document.reader().fields:
        yield {name: whole.get(name)}
        yield {other: whole[other] for other in whole if other != name}
        for value in ODD:
            yield whole | {name: value}


def outcome(read, data):
    try:
        return read(data)
    except ValidationError as error:
        return error.get_full_details()


def test_there_are_documents():
    assert len(DOCUMENTS) >= 8


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.__name__)
def test_both_ways_read_the_same_and_refuse_the_same(document):
    accepted = 0
    for data in variants(document):
        thorough = outcome(document.reader().run_validation, data)
        assert outcome(document.read, data) == thorough, data
        try:
            quick = document.reader().read_right(data)
        except ValidationError:
            continue
        assert quick == thorough, data
        accepted += 1
    assert accepted >= 1


def test_what_is_right_never_goes_the_thorough_way(monkeypatch):
    class Thing(Document):
        name = Text(limit=5)
        size = Whole(low=1, high=9, default=3)
        new = Flag(required=False)

    monkeypatch.setattr(Thing, "run_validation", None)

    assert Thing.read(parse(b'{"name": "x"}')) == {"name": "x", "size": 3}
    assert Thing.read(parse(b'{"new": true, "size": 2, "name": "y"}')) == {
        "name": "y",
        "size": 2,
        "new": True,
    }
