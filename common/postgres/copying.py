"""
Many rows of a model by one COPY: what `bulk_create` does, for a small part of its CPU.

Values come column by column, so that what a column needs is found out once and not for each row.
"""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from itertools import repeat
from types import NoneType
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import connection, models

from common.fields import EncryptedTextField

BUFFER_BYTES = 1 << 16
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def insert(
    model: type[models.Model],
    columns: Mapping[str, Sequence[Any]],
    *,
    same: Mapping[str, Any] | None = None,
) -> int:
    """
    Insert rows and return how many. Nothing is validated, and no instance is made.

    :param columns: values of each row, by the name of the column (`member_id`), all of one length
    :param same: what is the same in all rows; what neither names has the model's default
    :raises IntegrityError: if the database refuses one; then nothing is inserted
    """
    count = len(next(iter(columns.values())))
    if not count:
        return 0
    named = {**columns, **{name: [value] for name, value in (same or {}).items()}}
    fields = {field.attname: field for field in model._meta.concrete_fields}
    assert named.keys() <= fields.keys(), "each name is that of a column"
    names, texts = [], []
    for name, field in fields.items():
        if name in named:
            written = _written(field, named[name])
        elif isinstance(field, models.AutoField):
            continue  # the database counts
        else:
            written = _written(field, [field.get_default()])
        names.append(connection.ops.quote_name(str(field.column)))
        texts.append(written if name in columns else repeat(written[0]))
    # Not strict: what is the same is repeated without end by some of them.
    lines = "\n".join(map("\t".join, zip(*texts, strict=False))).encode()
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.wrap_database_errors, connection.cursor() as cursor:
        cursor.copy_expert(
            f"COPY {table} ({', '.join(names)}) FROM STDIN", io.BytesIO(lines), BUFFER_BYTES
        )
    return count


def next_ids(model: type[models.Model], count: int) -> list[int]:
    """Take ids for rows to come from where the database counts them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval((SELECT pg_get_serial_sequence(%s, %s))) FROM generate_series(1, %s)",
            [model._meta.db_table, model._meta.pk.column, count],
        )
        return [number for (number,) in cursor.fetchall()]


def _written(field: "models.Field[Any, Any]", values: Sequence[Any]) -> Sequence[str]:
    """The values of a column as COPY reads them."""
    if isinstance(field, EncryptedTextField):
        values = field.sealed(values)
    elif isinstance(field, models.JSONField):
        values = [None if each is None else json.dumps(each, cls=field.encoder) for each in values]
    elif isinstance(field, ArrayField):
        values = [_array(each) for each in values]
    # Nearly every text is as it is, and asking all at once costs next to nothing.
    if set(map(type, values)) == {str} and _is_plain("".join(values)):
        return values
    return [_WRITERS.get(type(each), _other)(each) for each in values]


def _escaped(text: str) -> str:
    return text if _is_plain(text) else text.translate(_ESCAPES)


def _other(value: Any) -> str:
    return _escaped(value) if isinstance(value, str) else str(value)


_WRITERS: Mapping[type, Callable[[Any], str]] = {
    str: _escaped,
    int: str,
    NoneType: lambda _nothing: r"\N",
    date: date.isoformat,
    datetime: datetime.isoformat,
    bytes: lambda raw: rf"\\x{raw.hex()}",
}


def _is_plain(text: str) -> bool:
    return text.isprintable() and "\\" not in text


def _array(texts: Sequence[str]) -> str:
    inside = '","'.join(texts)
    if "\\" in inside or inside.count('"') != 2 * max(len(texts) - 1, 0):
        inside = '","'.join(text.replace("\\", r"\\").replace('"', r"\"") for text in texts)
    return f'{{"{inside}"}}' if texts else "{}"
