"""
Sealing encrypted columns anew after a new key was put in front of FIELD_KEYS.

Column by column and chunk by chunk, in whatever room the column is. There is nothing to remember
between two starts: what the newest key has sealed needs no work, so an interrupted run is simply
started again. When none is left, the old key can be taken out of FIELD_KEYS.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import connection, transaction

from common.fields import (
    EncryptedBytesField,
    EncryptedTextField,
    newest_key_id,
    seal_bytes,
    unseal_bytes,
)

# Values per transaction: their rows are held for some milliseconds.
CHUNK_VALUES = 500
# Of columns of pictures: some megabytes.
CHUNK_PICTURES = 10


@dataclass(frozen=True, slots=True)
class Column:
    """
    A sealed column, in the database's names. `label` is what a value is bound to, `chunk` how many
    values are sealed anew at once.
    """

    table: str
    key: str
    name: str
    chunk: int = CHUNK_VALUES

    @property
    def label(self) -> str:
        return f"{self.table}.{self.name}"


def sealed_columns() -> list[Column]:
    """Every encrypted column there is, those of the history tables included."""
    return [
        Column(
            model._meta.db_table,
            str(model._meta.pk.column),
            str(field.column),
            CHUNK_PICTURES if isinstance(field, EncryptedBytesField) else CHUNK_VALUES,
        )
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy
        for field in model._meta.local_fields
        if isinstance(field, EncryptedTextField | EncryptedBytesField)
    ]


def values_left(column: Column) -> int:
    """How many values of a column another key than the newest has sealed."""
    with connection.cursor() as cursor:
        query = f"SELECT count(*) FROM {_left(column)}"  # noqa: S608 - names of the models
        cursor.execute(query, [newest_key_id()])
        return int(cursor.fetchone()[0])


def reseal(column: Column) -> Iterator[int]:
    """
    Seal what is left of a column with the newest key, yielding how many after each commit.

    :raises ImproperlyConfigured: if FIELD_KEYS lacks the key a value was sealed with; what was
        committed before stays
    """
    after: Any = None
    while True:
        with transaction.atomic():
            rows = _next(column, after)
            if rows:
                _write(column, rows)
        if not rows:
            return
        after = rows[-1][0]
        yield len(rows)


def _next(column: Column, after: Any) -> list[tuple[Any, str]]:
    # Held until the chunk commits, so that nobody's edit is overwritten with the value before it.
    key = _quoted(column.key)
    beyond, arguments = (f" AND {key} > %s", [after]) if after is not None else ("", [])
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {key}, {_quoted(column.name)} FROM {_left(column)}{beyond}"  # noqa: S608 - names
            f" ORDER BY {key} LIMIT {column.chunk} FOR NO KEY UPDATE",
            [newest_key_id(), *arguments],
        )
        return cursor.fetchall()


def _write(column: Column, rows: list[tuple[Any, str]]) -> None:
    label = column.label
    with connection.cursor() as cursor:
        cursor.executemany(
            f"UPDATE {_quoted(column.table)} SET {_quoted(column.name)} = %s"  # noqa: S608 - names
            f" WHERE {_quoted(column.key)} = %s",
            [
                (seal_bytes(unseal_bytes(stored, column=label), column=label), key)
                for key, stored in rows
            ],
        )


def _left(column: Column) -> str:
    name = _quoted(column.name)
    return f"{_quoted(column.table)} WHERE {name} <> '' AND split_part({name}, ':', 1) <> %s"


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)
