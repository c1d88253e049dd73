"""A form made of a JSON Schema, and documents in words: there and back, and what is wrong where."""

from copy import deepcopy
from datetime import date

import jsonschema
import pytest
from django.http import QueryDict
from django.utils import translation
from hypothesis import given, settings
from hypothesis import strategies as st

from common import schemas
from common.localized import NAMES_SCHEMA
from common.schemas import ABSENT, Form, Problem
from programme import documents
from programme.policies import POLICIES_SCHEMA
from tests.programme.strategies import policies


@pytest.fixture(autouse=True)
def _in_english():
    with translation.override("en"):
        yield


def sent(node, data=None):
    """What a browser would send of a form as it is drawn."""
    data = {} if data is None else data
    if node.kind in ("rows", "pairs"):
        data[f"{node.name}@rows"] = [str(node.value)]
    if node.kind == "shape":
        data[f"{node.name}@kind"] = [v for v, _label, chosen in node.options if chosen] or [""]
    elif node.kind == "select":
        data[node.name] = [v for v, _label, chosen in node.options if chosen] or [""]
    elif node.kind in ("ticks", "picks"):
        data[node.name] = [v for v, _label, chosen in node.options if chosen]
    elif node.kind == "tick" and node.value:
        data[node.name] = ["1"]
    elif node.kind in ("text", "number", "decimal", "day", "color", "long", "lines"):
        data[node.name] = [str(node.value)]
    if node.kind == "row" and node.key is not None:
        data[f"{node.name}@key"] = [node.key]
    for each in node.body:
        sent(each, data)
    return data


def query(data):
    made = QueryDict(mutable=True)
    for name, values in data.items():
        made.setlist(name, values)
    return made


def there_and_back(schema, value, root=None):
    form = Form(schema, root or schema)
    form.value = value
    data = query(sent(form.draw()))
    again = Form(schema, root or schema)
    again.read(data)
    problems = []
    result = again.settled(problems)
    assert problems == []
    return result


@pytest.mark.django_db
@settings(max_examples=150)
@given(policies(valid_from=date(2026, 1, 1)))
def test_any_policies_sent_as_they_are_stay_as_they_are(written):
    again = there_and_back(POLICIES_SCHEMA, deepcopy(written))

    assert schemas.changes(POLICIES_SCHEMA, written, again, root=POLICIES_SCHEMA) == []
    # What says nothing is left out, and what is ticked comes back in the order of the form.
    written = {name: value for name, value in written.items() if value not in (None, {})}
    for validity in (written["validity"], again["validity"]):
        if isinstance(validity, dict):
            validity.get("counts", []).sort()
    for groups in (written.get("groups", {}), again.get("groups", {})):
        for terms in groups.values():
            terms.get("spenders", []).sort()
    assert again == written


CRITERION = {
    "$defs": {
        "criterion": {
            "oneOf": [
                {
                    "type": "object",
                    "properties": {
                        "measure": {"enum": ["points", "spend"]},
                        "at_least": {"type": "string", "pattern": "^[0-9]+$"},
                        "window": {
                            "oneOf": [
                                {"enum": ["year", "ever"]},
                                {
                                    "type": "object",
                                    "properties": {"months": {"type": "integer"}},
                                    "required": ["months"],
                                },
                            ]
                        },
                    },
                    "required": ["measure", "at_least"],
                },
                {
                    "type": "object",
                    "properties": {"all": {"$ref": "#/$defs/list"}},
                    "required": ["all"],
                },
                {
                    "type": "object",
                    "properties": {"some": {"type": "integer"}, "of": {"$ref": "#/$defs/list"}},
                    "required": ["some", "of"],
                },
            ]
        },
        "list": {"type": "array", "items": {"$ref": "#/$defs/criterion"}},
    },
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "upgrade": {"$ref": "#/$defs/criterion"},
        "is_open": {"type": "boolean"},
        "texts": {"type": "array", "items": {"type": "string"}},
        "codes": {"type": "array", "items": {"type": "string", "pattern": "^[a-z]+$"}},
        "days": {"type": "array", "items": {"type": "integer"}},
        "kinds": {"type": "array", "items": {"enum": ["a", "b"]}},
        "names": NAMES_SCHEMA,
        "only": {"const": True},
        "limit": {"type": ["integer", "null"]},
        "by_code": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "properties": {"rate": {"type": "string"}},
                "required": ["rate"],
            },
        },
    },
    "required": ["name"],
}
LEAF = {"measure": "points", "at_least": "10"}


@pytest.mark.parametrize(
    "value",
    [
        {"name": ""},
        {"name": "x", "is_open": False},
        {"name": "x", "is_open": True, "only": True, "limit": 0},
        {"name": "x", "upgrade": LEAF},
        {"name": "x", "upgrade": LEAF | {"window": "year"}},
        {"name": "x", "upgrade": LEAF | {"window": {"months": 3}}},
        {"name": "x", "upgrade": {"all": [LEAF, {"some": 1, "of": [LEAF, {"all": [LEAF]}]}]}},
        {"name": "x", "texts": ["a b", "c, d"], "codes": ["a", "b"], "days": [30, 7]},
        {"name": "x", "kinds": ["b"], "names": {"zh-hans": "名", "en": "N"}},
        {"name": "x", "by_code": {"gold": {"rate": "2"}, "a": {"rate": ""}}},
    ],
)
def test_what_is_sent_as_it_is_stays_as_it_is(value):
    assert there_and_back(CRITERION, deepcopy(value), CRITERION) == value


@pytest.mark.parametrize("kind", ["measure", "all", "some"])
def test_a_shape_that_was_chosen_shows_its_fields(kind):
    """Of something optional too, into whose fields nothing was typed yet."""
    form = Form(CRITERION, CRITERION)
    form.read(query({"v.name": [""], "v.upgrade@kind": [kind]}))

    shape = next(each for each in form.draw().body if each.name == "v.upgrade")

    assert [value for value, _name, is_chosen in shape.options if is_chosen] == [kind]
    assert f"v.upgrade.{kind}" in [each.name for each in shape.body]


def test_what_is_optional_and_left_empty_is_absent():
    form = Form(CRITERION, CRITERION)
    form.value = {"name": "x"}

    assert there_and_back(CRITERION, {"name": "x"}, CRITERION) == {"name": "x"}
    assert Form(CRITERION, CRITERION).read(query({})) == {"name": ""}
    assert form.value.get("upgrade", ABSENT) is ABSENT


@given(st.dictionaries(st.text(max_size=20), st.lists(st.text(max_size=10), max_size=2)))
@settings(max_examples=200)
def test_whatever_is_sent_is_read_and_shown_again(data):
    form = Form(CRITERION, CRITERION)

    form.read(query({f"v.{name}": values for name, values in data.items()}))

    assert [node.name for node in form.draw().all()]


@pytest.mark.parametrize(
    "button",
    [
        "",
        "add",
        "add:",
        "add:v",
        "up:v.codes.9",
        "remove:v.name.0",
        "x:v",
        "remove:v.upgrade.all.x",
    ],
)
def test_a_button_nobody_drew_does_nothing(button):
    form = Form(CRITERION, CRITERION)
    form.value = {"name": "x", "upgrade": {"all": [LEAF]}}

    form.act(button)
    form.draw()

    assert form.value["upgrade"] == {"all": [LEAF]}


class TestProblems:
    def problems(self, value):
        validator = jsonschema.Draft202012Validator(documents.schema())
        return {
            schemas.where(each.path): each.why for each in schemas.schema_problems(validator, value)
        }

    def test_stand_beside_the_nearest_field(self):
        form = Form(CRITERION, CRITERION, ("tiers",))
        form.value = {"name": "x", "days": [1, 2]}
        form.draw(
            [
                Problem(("tiers", "days", 1), "deep"),
                Problem(("tiers", "name"), "here"),
                Problem(("policies", "clock"), "elsewhere"),
            ]
        )

        nodes = {node.name: node.errors for node in form.tree.all() if node.errors}
        assert nodes == {"v.days": ["deep"], "v.name": ["here"]}
        assert [wrong.anchor for wrong in form.wrong] == ["v-days", "v-name", ""]

    @pytest.mark.parametrize("path", [(), ("a",), ("a", 0, "b-c"), ("a", "b", 12)])
    def test_a_place_is_written_and_read(self, path):
        assert schemas.path_of(schemas.where(path)) == path


class TestChanges:
    def changes(self, before, after):
        return [
            (change.kind.value, change.place, change.before, change.after)
            for change in schemas.changes(CRITERION, before, after, root=CRITERION)
        ]

    def test_of_fields_by_their_way(self):
        assert self.changes(
            {"name": "x", "upgrade": LEAF}, {"name": "y", "upgrade": LEAF | {"at_least": "20"}}
        ) == [
            ("changed", "Name", "x", "y"),
            ("changed", "To reach it › At least", "10", "20"),
        ]

    def test_of_another_shape_as_a_whole(self):
        [(kind, place, before, after)] = self.changes(
            {"name": "x", "upgrade": LEAF}, {"name": "x", "upgrade": {"all": [LEAF, LEAF]}}
        )

        assert (kind, place) == ("changed", "To reach it")
        assert before == "What is measured: Qualifying points; At least: 10"
        assert after == f"All conditions: ({before}), ({before})"

    def test_none_where_nothing_is_said_either_way(self):
        assert self.changes({"name": "x", "limit": None}, {"name": "x"}) == []
        assert (
            self.changes({"name": "x", "kinds": ["a", "b"]}, {"name": "x", "kinds": ["b", "a"]})
            == []
        )
        assert self.changes({"name": "x", "is_open": False}, {"name": "x"}) == [
            ("changed", "Is open", "No", "–")
        ]
