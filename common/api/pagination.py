"""Cursor pages: each starts behind the last row seen, so new rows shift nothing."""

import base64
import binascii
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from common.api.fields import Text, Whole
from common.api.parameters import Parameters
from common.errors import Invalid

LIMIT_DEFAULT = 25
LIMIT_MAX = 100
CURSOR = "^[A-Za-z0-9_-]{2,40}$"
POSITION_MAX = 2**31 - 1


class InvalidCursor(Invalid):
    code = "invalid_cursor"
    message = _("This cursor is not one we gave.")


class PageParameters(Parameters):
    limit = Whole(low=1, high=LIMIT_MAX, default=LIMIT_DEFAULT, help_text="Rows on a page.")
    cursor = Text(
        limit=40, pattern=CURSOR, required=False, help_text="`next_cursor` of the page before."
    )


def page(rows: QuerySet[Any], *, limit: int) -> tuple[list[Any], bool]:
    """Return the first rows, and whether there are more: one row is read too many to know."""
    found = list(rows[: limit + 1])
    return found[:limit], len(found) > limit


def cursor_at(position: int) -> str:
    """Pack the position of a page's last row."""
    return base64.urlsafe_b64encode(f"c{position}".encode()).rstrip(b"=").decode()


def position_of(cursor: str) -> int:
    """:raises InvalidCursor: if we did not give it"""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        position = int(text[1:])
    except (binascii.Error, ValueError) as error:
        raise InvalidCursor from error
    # One position has one cursor, so nothing else can stand for it.
    if not 0 <= position <= POSITION_MAX or cursor_at(position) != cursor:
        raise InvalidCursor
    return position
