"""
Strict fields of what comes in. Each knows what it accepts and says exactly that in the schema.

A boolean is no number, a number is no text, a text is no number (an amount may be either), and a
document with a field we do not know is refused: a mistyped optional name must not be ignored.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache, cached_property
from typing import Any, Self, cast

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.fields import empty

from common.moments import YEARS, YearOutOfRange

# No control, line-separating or direction-changing characters; no blank at either end.
_UNSEEN = "\\u0000-\\u001f\\u007f-\\u009f\\u2028-\\u202e\\u2066-\\u2069\\ufeff"
_BLANK = " \\u00a0\\u3000"
TEXT = f"^[^{_UNSEEN}{_BLANK}]([^{_UNSEEN}]*[^{_UNSEEN}{_BLANK}])?$"
# A document number: ASCII and Chinese characters, blanks only inside.
REFERENCE = r"^[!-~\u3400-\u9fff]([ -~\u3400-\u9fff]{0,62}[!-~\u3400-\u9fff])?$"
STORE_CODE = "^[-a-zA-Z0-9_]{1,50}$"
MEMBER_NUMBER = "^M[0-9]{10}$"

AMOUNT = "^(0|[1-9][0-9]{0,11})(\\.[0-9]{1,2})?$"
AMOUNT_MAX = Decimal("999999999999.99")
CENT = Decimal("0.01")

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
ISO_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
NONE, OFFSET_MAX = timedelta(0), timedelta(hours=16)


class StrictField(serializers.Field):
    """A field whose `schema` is all of what it accepts."""

    default_error_messages = {
        "wrong_type": _("The value has the wrong type."),
        "wrong_format": _("The value is not of the form this field needs."),
    }
    schema: dict[str, Any] = {}

    def to_representation(self, value: Any) -> Any:
        raise NotImplementedError("fields of what comes in")


class Text(StrictField):
    default_error_messages = {
        "too_short": _("The text is too short."),
        "too_long": _("The text is longer than {limit} characters."),
    }

    def __init__(self, *, limit: int, pattern: str = TEXT, **options: Any) -> None:
        super().__init__(**options)
        self.limit = limit
        self.pattern = re.compile(pattern)
        self.schema = {"type": "string", "minLength": 1, "maxLength": limit, "pattern": pattern}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("wrong_type")
        if not data:
            self.fail("too_short")
        if len(data) > self.limit:
            self.fail("too_long", limit=self.limit)
        if not self.pattern.fullmatch(data):
            self.fail("wrong_format")
        return data


def reference(**options: Any) -> Text:
    return Text(limit=64, pattern=REFERENCE, **options)


def store_code(**options: Any) -> Text:
    return Text(limit=50, pattern=STORE_CODE, **options)


def member_number(**options: Any) -> Text:
    return Text(limit=11, pattern=MEMBER_NUMBER, **options)


class Whole(StrictField):
    """A whole number within bounds, both inclusive."""

    default_error_messages = {"out_of_range": _("The number must lie between {low} and {high}.")}

    def __init__(self, *, low: int, high: int, **options: Any) -> None:
        super().__init__(**options)
        self.low, self.high = low, high
        self.schema = {"type": "integer", "minimum": low, "maximum": high}

    def to_internal_value(self, data: Any) -> int:
        # 20.0 is a whole number to JSON, which knows no other kind.
        if type(data) not in (int, Decimal):
            self.fail("wrong_type")
        if not self.low <= data <= self.high:
            self.fail("out_of_range", low=self.low, high=self.high)
        if data != int(data):
            self.fail("wrong_type")
        return int(data)


class Flag(StrictField):
    schema = {"type": "boolean"}

    def to_internal_value(self, data: Any) -> bool:
        if type(data) is not bool:
            self.fail("wrong_type")
        return data


class Amount(StrictField):
    """Money: text, or a JSON number; never negative, at most two decimals."""

    default_error_messages = {
        "out_of_range": _("An amount lies between 0 and 999999999999.99."),
        "too_many_decimals": _("An amount has at most two decimals."),
    }
    schema = {
        "oneOf": [
            {"type": "string", "pattern": AMOUNT},
            {"type": "number", "minimum": 0, "maximum": float(AMOUNT_MAX), "multipleOf": 0.01},
        ]
    }
    pattern = re.compile(AMOUNT, re.ASCII)

    def to_internal_value(self, data: Any) -> Decimal:
        if isinstance(data, str):
            if not self.pattern.fullmatch(data):
                self.fail("wrong_format")
            return Decimal(data).quantize(CENT)
        if type(data) not in (int, Decimal):
            self.fail("wrong_type")
        amount = Decimal(data)
        if not 0 <= amount <= AMOUNT_MAX:
            self.fail("out_of_range")
        if amount != amount.quantize(CENT):
            self.fail("too_many_decimals")
        return abs(amount.quantize(CENT))  # -0 is 0


class Moment(StrictField):
    """A time with its offset (RFC 3339)."""

    default_error_messages = {
        "date_out_of_range": YearOutOfRange.message,
    }
    schema = {"type": "string", "format": "date-time"}

    def to_internal_value(self, data: Any) -> datetime:
        if not isinstance(data, str):
            self.fail("wrong_type")
        # RFC 3339 allows small letters and a leap second; Python's reader does not.
        text = data.upper().replace(":60", ":59", 1) if data[17:19] == "60" else data.upper()
        if not RFC3339.fullmatch(text):
            self.fail("wrong_format")
        if int(text[:4]) not in YEARS:
            self.fail("date_out_of_range")
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fail("wrong_format")
        # RFC 3339 has offsets of nearly a day, PostgreSQL reads none of sixteen hours.
        return moment.astimezone(UTC) if abs(moment.utcoffset() or NONE) >= OFFSET_MAX else moment


class Day(StrictField):
    default_error_messages = {
        "date_out_of_range": Moment.default_error_messages["date_out_of_range"]
    }
    schema = {"type": "string", "format": "date"}

    def to_internal_value(self, data: Any) -> date:
        if not isinstance(data, str):
            self.fail("wrong_type")
        if not ISO_DAY.fullmatch(data):
            self.fail("wrong_format")
        if int(data[:4]) not in YEARS:
            self.fail("date_out_of_range")
        try:
            return date.fromisoformat(data)
        except ValueError:
            self.fail("wrong_format")


class OneOf(StrictField):
    """One of a closed list of words."""

    default_error_messages = {"unknown_choice": _("The value is not one of those allowed.")}

    def __init__(self, choices: list[str], **options: Any) -> None:
        super().__init__(**options)
        self.choices = frozenset(choices)
        self.schema = {"type": "string", "enum": choices}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("wrong_type")
        if data not in self.choices:
            self.fail("unknown_choice")
        return data


class Values(StrictField):
    """Values by code; which codes there are, and of which kind each is, the operation knows."""

    _PLAIN = (str, int, Decimal, bool, type(None))
    # No text anywhere holds NUL, which the database does not know: `parsing` refuses it.
    _TEXT = {"type": "string", "pattern": r"^[^\u0000]*$"}
    schema = {
        "type": "object",
        "maxProperties": 50,
        "propertyNames": {"pattern": STORE_CODE},
        "additionalProperties": {
            "anyOf": [
                {"type": ["number", "boolean", "null"]},
                _TEXT,
                {"type": "array", "items": _TEXT, "maxItems": 50},
            ]
        },
    }

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict) or len(data) > self.schema["maxProperties"]:
            self.fail("wrong_type")
        for code, value in data.items():
            if not re.fullmatch(STORE_CODE, code):
                self.fail("wrong_format")
            if isinstance(value, list):
                if len(value) > self.schema["maxProperties"] or not all(
                    isinstance(each, str) for each in value
                ):
                    self.fail("wrong_type")
            elif not isinstance(value, self._PLAIN):
                self.fail("wrong_type")
        # Our reader of JSON keeps a number's decimals as they were written.
        return {
            code: float(value) if isinstance(value, Decimal) else value
            for code, value in data.items()
        }


class Document(serializers.Serializer):
    """What comes in, as an object of strict fields; others are refused."""

    # What the fields alone do not say, as JSON Schema.
    extra_schema: dict[str, Any] = {}

    @classmethod
    def read(cls, data: Any) -> dict[str, Any]:
        """
        Check a document and return its values.

        What is right is read the quick way. What is not goes through the framework's own, which
        takes its time to name everything that is wrong.

        :raises ValidationError: with everything that is wrong
        """
        document = cls.reader()
        try:
            return document.read_right(data)
        except ValidationError:
            values: dict[str, Any] = document.run_validation(data)
            return values

    @classmethod
    @cache
    def reader(cls) -> Self:
        """One for all requests: it keeps no state, and to build it costs more than to read."""
        return cls()

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, Mapping):
            raise ValidationError({"non_field_errors": [_error("wrong_type")]})
        unknown = data.keys() - self.fields.keys()
        if not unknown:
            return super().to_internal_value(data)
        errors: dict[str, Any] = {name: [_error("unknown_field")] for name in sorted(unknown)}
        try:
            super().to_internal_value(data)
        except ValidationError as others:
            errors |= cast("dict[str, Any]", others.detail)
        raise ValidationError(errors)

    @cached_property
    def read_right(self) -> Callable[[Any], dict[str, Any]]:
        """As `run_validation`, made once from the fields; it raises at the first wrong value."""
        plan = [(name, _right(field), field) for name, field in self.fields.items()]
        validate = self.validate

        def read(data: Any) -> dict[str, Any]:
            if type(data) is not dict:
                raise _Wrong
            values = {}
            known = 0
            for name, read_value, field in plan:
                if name in data:
                    values[name] = read_value(data[name])
                    known += 1
                elif field.required:
                    raise _Wrong
                elif field.default is not empty:
                    values[name] = field.get_default()
            if known < len(data):
                raise _Wrong
            return validate(values)

        return read


class _Wrong(ValidationError):
    """Nobody reads it: the framework's way says what is wrong."""

    def __init__(self) -> None:
        pass


def _right(field: serializers.Field) -> Callable[[Any], Any]:
    """Return what reads a right value exactly as the field does, and raises at a wrong one."""
    if isinstance(field, serializers.ListField):
        return _right_list(field)
    if not field.validators:
        if isinstance(field, Document):
            return field.read_right
        if isinstance(field, StrictField):
            return field.to_internal_value
    return field.run_validation


def _right_list(field: serializers.ListField) -> Callable[[Any], list[Any]]:
    read_item = _right(field.child)

    def read(data: Any) -> list[Any]:
        if type(data) is not list or not (data or field.allow_empty):
            raise _Wrong
        items = [read_item(item) for item in data]
        field.run_validators(items)
        return items

    return read


def _error(code: str) -> ErrorDetail:
    return ErrorDetail(str(_ERRORS[code]), code)


_ERRORS = {
    "wrong_type": StrictField.default_error_messages["wrong_type"],
    "unknown_field": _("There is no such field."),
}
