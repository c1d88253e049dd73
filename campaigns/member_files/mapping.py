"""
Which column of a file tells what of a member, and how its values are to be read.

Nothing is guessed row by row: a form of dates is chosen for a column, a value means what the
mapping says or, failing that, what everybody agrees on (男, M, female …).
"""

import json
import re
from collections.abc import Collection
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from typing import Any

from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from campaigns.member_files import fields
from campaigns.member_files.fields import ATTRIBUTE, FIELDS
from common.errors import Invalid
from common.tables import Table
from members.models import Attribute, AttributeKind, Sex

DEFAULT_DAY_FORMAT = "YYYY-MM-DD"
# Rows that are looked at to guess how days are written.
LOOKED_AT = 100
# A cell of a workbook that is a date reads so, whatever it looks like there.
WORKBOOK_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})T00:00:00\Z", re.ASCII)


def _shape(form: str) -> re.Pattern[str]:
    """What a form of days looks like: each part with all its digits, or apart without its zeros."""
    parts = []
    for part in re.findall(r"Y+|M+|D+|[^YMD]", form):
        if part[0] in "YMD":
            least = 1 if len(part) == 2 and form != "YYYYMMDD" else len(part)
            parts.append(rf"(?P<{part[0]}>[0-9]{{{least},{len(part)}}})")
        else:
            parts.append(re.escape(part))
    return re.compile("".join(parts) + r"\Z")


# How a column may write its days.
DAY_FORMATS: MappingOf[str, re.Pattern[str]] = {
    form: _shape(form)
    for form in (
        DEFAULT_DAY_FORMAT, "YYYY/MM/DD", "YYYY.MM.DD", "YYYYMMDD", "YYYY年MM月DD日", "DD/MM/YYYY",
        "MM/DD/YYYY", "DD.MM.YYYY",
    )
}  # fmt: skip
SEXES: MappingOf[str, str] = {
    **dict.fromkeys(("男", "m", "male", "先生", "男性"), Sex.MALE.value),
    **dict.fromkeys(("女", "f", "female", "女士", "女性"), Sex.FEMALE.value),
    **dict.fromkeys(("其他", "other", "其它"), Sex.OTHER.value),
    **dict.fromkeys(("未知", "unknown", "保密"), ""),
}
YES_NO: MappingOf[str, bool] = {
    **dict.fromkeys(("是", "yes", "y", "true", "1"), True),
    **dict.fromkeys(("否", "no", "n", "false", "0"), False),
}

# What the operator lets become of a row that is warned of.
REFUSE, KEEP, LEAVE_OUT = "refuse", "keep", "leave_out"
DECISIONS: MappingOf[str, Any] = {
    REFUSE: _("Refuse the row"),
    KEEP: _("Take it as it is"),
    LEAVE_OUT: _("Leave the cell out"),
}
# The warnings there are (`campaigns.member_files.reading`), and what they are about.
WARNINGS: MappingOf[str, Any] = {
    "placeholder_birthday": _("Birthdays that stand for an unknown one, such as 1900-01-01"),
    "implausible_age": _("Members of 110 years and more"),
    "name_missing": _("Rows without a name"),
}


class InvalidMapping(Invalid):
    code = "invalid_mapping"
    message = _("The mapping makes no sense: %(why)s.")


class InvalidDay(Invalid):
    code = "invalid_date"
    message = _("“%(text)s” is no day written as %(form)s.")


class InvalidSex(Invalid):
    code = "invalid_sex"
    message = _("“%(text)s” is not among the values of sex that the mapping knows.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """
    :param columns: field → the column's name
    :param days: field → one of DAY_FORMATS
    :param values: field → what the file says → what it means; empty: not known
    :param warnings: code of a warning → one of DECISIONS; REFUSE unless told
    """

    columns: MappingOf[str, str]
    days: MappingOf[str, str] = field(default_factory=dict)
    values: MappingOf[str, MappingOf[str, str]] = field(default_factory=dict)
    warnings: MappingOf[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "columns": dict(self.columns),
            "days": dict(self.days),
            "values": {name: dict(means) for name, means in self.values.items()},
            "warnings": dict(self.warnings),
        }

    def canonical(self) -> str:
        """The same text for the same reading."""
        return json.dumps(self.as_json(), sort_keys=True, ensure_ascii=False)

    def decision(self, warning: str) -> str:
        return self.warnings.get(warning, REFUSE)

    def day(self, name: str, text: str) -> date:
        """:raises InvalidDay: unless it is written in the form chosen for the column"""
        if found := WORKBOOK_DAY.match(text):
            text, form = found[1], DEFAULT_DAY_FORMAT
        else:
            form = self.days.get(name, DEFAULT_DAY_FORMAT)
        written = DAY_FORMATS[form].match(text)
        if written is None:
            raise InvalidDay(text=text[:50], form=form)
        try:
            return date(int(written["Y"]), int(written["M"]), int(written["D"]))
        except ValueError as error:  # 2023-02-29
            raise InvalidDay(text=text[:50], form=form) from error


def sex(text: str) -> str:
    """:raises InvalidSex: if nobody said what it means"""
    try:
        return SEXES[text.casefold()]
    except KeyError as error:
        raise InvalidSex(text=text[:50]) from error


def read(document: Any, definitions: MappingOf[str, Attribute]) -> Mapping:
    """
    Make a mapping of what a file of YAML or a form says.

    :raises InvalidMapping: if it names what there is not
    """
    if not isinstance(document, dict) or not document.keys() <= _PARTS.keys():
        raise InvalidMapping(why=_now("its parts are columns, days, values and warnings"))
    parts = {name: document.get(name) or {} for name in _PARTS}
    for name, part in parts.items():
        if not isinstance(part, dict):
            raise InvalidMapping(why=name)
    columns = _texts("columns", parts["columns"])
    known = FIELDS.keys() | {f"{ATTRIBUTE}{code}" for code in definitions}
    for name in columns.keys() | parts["days"].keys() | parts["values"].keys():
        if name not in known:
            raise InvalidMapping(why=_now("there is no field “%(field)s”") % {"field": name})
    if not columns:
        raise InvalidMapping(why=_now("no column is chosen"))
    values = {name: _texts(f"values.{name}", part) for name, part in parts["values"].items()}
    return Mapping(
        columns=columns,
        days=_among("days", parts["days"], DAY_FORMATS),
        values=values,
        warnings=_among("warnings", parts["warnings"], DECISIONS, of=WARNINGS),
    )


_PARTS = {"columns": 0, "days": 0, "values": 0, "warnings": 0}


def day_fields(mapping: Mapping, definitions: MappingOf[str, Attribute]) -> list[str]:
    """Those of its fields that are days."""
    return [
        name
        for name in mapping.columns
        if (name in FIELDS and FIELDS[name].is_day)
        or (
            name not in FIELDS
            and definitions[name.removeprefix(ATTRIBUTE)].kind == AttributeKind.DATE
        )
    ]


def guessed(table: Table, definitions: MappingOf[str, Attribute]) -> Mapping:
    """
    What a file's columns probably mean, for somebody who looks at it: by their names, and how days
    are written by the first rows, where only one form fits them all.
    """
    rows = list(islice(table.rows(), LOOKED_AT))

    def said(column: str) -> set[str]:
        place = table.header.index(column)
        return {row.cells[place].strip() for row in rows if place not in row.faults} - {""}

    columns = {
        name: column
        for name, column in fields.guess(table.header, definitions).items()
        if _may_tell(definitions.get(name.removeprefix(ATTRIBUTE)), said(column))
    }
    days = {}
    for name in day_fields(Mapping(columns=columns), definitions):
        texts = said(columns[name])
        fitting = [form for form in DAY_FORMATS if texts and _all_read(form, texts)]
        if len(fitting) == 1:
            days[name] = fitting[0]
    return Mapping(columns=columns, days=days)


def _may_tell(attribute: Attribute | None, texts: Collection[str]) -> bool:
    """Not if it is to be chosen and nothing that is said is a choice: then it is something else."""
    if attribute is None or attribute.kind != AttributeKind.CHOICE or not texts:
        return True
    options = attribute.options.all()
    known = {each for option in options for each in (option.code, *option.names.values())}
    return not known.isdisjoint(texts)


def _all_read(form: str, texts: Collection[str]) -> bool:
    column = Mapping(columns={}, days={"": form})
    try:
        return all(column.day("", text) for text in texts)
    except InvalidDay:
        return False


def _texts(where: str, part: Any) -> dict[str, str]:
    if not isinstance(part, dict):
        raise InvalidMapping(why=where)
    texts = {str(name): "" if text is None else str(text) for name, text in part.items()}
    return {name.strip(): text.strip() for name, text in texts.items()}


def _among(
    where: str,
    part: Any,
    allowed: MappingOf[str, Any],
    of: MappingOf[str, Any] | None = None,
) -> dict[str, str]:
    texts = _texts(where, part)
    for name, text in texts.items():
        if text not in allowed or (of is not None and name not in of):
            raise InvalidMapping(why=f"{where}: {name} = {text}")
    return texts
