"""
Documents with a JSON Schema, for people: what is wrong with one, a form that edits it, what it says
and what changed, in words. Rooms say how their fields are called (`label`).
"""

from common.schemas._choices import Choices, source, unknown
from common.schemas._forms import Form, Node, place
from common.schemas._labels import choice, label, labels
from common.schemas._problems import Path, Problem, path_of, schema_problems, where
from common.schemas._reading import act
from common.schemas._shapes import ABSENT, Schema, is_entries, resolved
from common.schemas._telling import Change, changes, teller, told

__all__ = [
    "ABSENT",
    "Change",
    "Choices",
    "Form",
    "Node",
    "Path",
    "Problem",
    "Schema",
    "act",
    "changes",
    "choice",
    "is_entries",
    "label",
    "labels",
    "path_of",
    "place",
    "resolved",
    "schema_problems",
    "source",
    "teller",
    "told",
    "unknown",
    "where",
]
