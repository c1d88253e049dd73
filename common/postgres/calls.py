"""
One statement that answers one row: how the hot paths talk to the database.

A cursor of Django's costs about as much CPU as the driver's own work (docs/performance.md). These
two go to the driver at once and keep Django's promises: its errors, its transactions, its health
checks, and whoever counts or logs statements sees them.
"""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from django.db import DEFAULT_DB_ALIAS, connections

if TYPE_CHECKING:
    from common.postgres.base import DatabaseWrapper


def first_row(statement: str, arguments: Sequence[Any] = ()) -> tuple[Any, ...] | None:
    """Return the first row of a statement with `%s` for each argument; None: there is none."""
    connection = cast("DatabaseWrapper", connections[DEFAULT_DB_ALIAS])
    return connection.first_row(statement, arguments)


def call(function: str, *arguments: Any) -> Any:
    """Call a SQL function of ours and return what it answers: one round trip."""
    row = first_row(_calling(function, len(arguments)), arguments)
    assert row is not None, "a function answers"
    return row[0]


@cache
def _calling(function: str, arguments: int) -> str:
    return f"SELECT {function}({', '.join(['%s'] * arguments)})"
