"""
Segments (人群): who belongs to a group, as a small document of conditions, found in one statement.

A live segment is whoever fits today. A kept one is the list of those who fitted when it was made.
Members whose membership has ended are in none.
"""

from campaigns.segments._compiling import Statement, compiled
from campaigns.segments._definitions import EMPTY, SCHEMA, InvalidSegment, problems, told
from campaigns.segments._finding import Size, member_ids, members, size, size_of
from campaigns.segments._keeping import (
    NAME_MAX,
    NameMissing,
    NameTaken,
    NotEditable,
    SegmentChanged,
    TagTaken,
    create,
    follow,
    has_rules,
    keep,
    note_export,
    revise,
    switch,
)

__all__ = [
    "EMPTY",
    "NAME_MAX",
    "SCHEMA",
    "InvalidSegment",
    "NameMissing",
    "NameTaken",
    "NotEditable",
    "SegmentChanged",
    "Size",
    "Statement",
    "TagTaken",
    "compiled",
    "create",
    "follow",
    "has_rules",
    "keep",
    "member_ids",
    "members",
    "note_export",
    "problems",
    "revise",
    "size",
    "size_of",
    "switch",
    "told",
]
