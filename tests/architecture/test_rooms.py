"""
What a room may touch. Imports that look up are import-linter's (pyproject.toml); this is the rest.

Each of these was seen to fail once, with the rule broken on purpose.
"""

import ast
import re

import grimp
import pytest
from django.apps import apps
from django.conf import settings

from tests.architecture.source import BASE, ROOMS, called, live_files, nodes, sections, where

# Nobody but the project itself goes through another room's door.
DOORS = {
    "admin",
    "api",
    "forms",
    "management",
    "nightly",
    "subscribers",
    "tasks",
    "urls",
    "views",
    "migrations",
}
# No doors but what doors are made of: manners, who is calling, shapes and bases that many share.
OPEN_TO_ALL = (
    "common.admin",
    "common.api",
    "common.forms",
    "common.views",
    "members.views",
    "partners.api",
    "points.api.documents",
)


def own_models():
    return [model for room in ROOMS for model in apps.get_app_config(room).get_models()]


def rank(app_label):
    """0 is the highest room."""
    return settings.ROOMS.index(app_label)


@pytest.fixture(scope="module")
def imports():
    return grimp.build_graph(*ROOMS, cache_dir=None)


def test_every_room_is_installed_and_stands_in_its_order():
    assert ROOMS[0] == "membership"
    assert ROOMS[-1] == "common"
    installed = [app.name for app in apps.get_app_configs() if (BASE / app.name).is_dir()]
    assert sorted(ROOMS) == sorted(installed)


def test_import_linter_knows_the_same_order():
    text = (BASE / "pyproject.toml").read_text()
    layers = re.search(r"^layers = \[(.*?)\]", text, re.M | re.S)[1]

    assert re.findall(r"\w+", layers) == ROOMS


@pytest.mark.parametrize("model", own_models(), ids=lambda model: model._meta.label)
def test_foreign_keys_look_down(model):
    """Text references ("members.Member") are invisible to the import linter."""
    own = rank(model._meta.app_label)
    for field in model._meta.get_fields():
        if not field.is_relation or field.auto_created or field.related_model is None:
            continue
        target = field.related_model._meta.app_label
        assert target not in ROOMS or rank(target) >= own, field


def test_a_room_is_touched_through_its_models_queries_and_operations(imports):
    through_a_door = []
    for importer in imports.modules:
        room = importer.partition(".")[0]
        if room == "membership":
            continue
        for imported in imports.find_modules_directly_imported_by(importer):
            other, _, inside = imported.partition(".")
            is_door = bool(DOORS & set(inside.split(".")))
            if other != room and is_door and not imported.startswith(OPEN_TO_ALL):
                through_a_door.append(f"{importer} → {imported}")
    assert through_a_door == []


def test_models_know_no_use_case(imports):
    """A model that imports an operation, a door or the clock tells a story, not a shape."""
    told = DOORS | {"operations"}
    stories = [
        f"{importer} → {imported}"
        for importer in imports.modules
        if "models" in importer.split(".")
        for imported in imports.find_modules_directly_imported_by(importer)
        if told & set(imported.split("."))
    ]
    assert stories == []


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_what_it_owns_imports_tells_and_hears(room):
    assert list(sections(room)) == ["Owns", "Imports", "Tells", "Hears"]
    assert all(sections(room).values())


EVENT = re.compile(r"\b[a-z_]+\.[a-z_]+\b")


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize(
    ("section", "function"), [("Tells", "events.publish"), ("Hears", "events.subscribe")]
)
def test_what_a_room_tells_and_hears_is_what_it_publishes_and_subscribes_to(
    room, section, function
):
    used = set()
    for path in live_files(room):
        for node in nodes(path):
            if called(node) == function:
                assert isinstance(node.args[0], ast.Constant), where(path, node)
                used.add(node.args[0].value)

    assert set(EVENT.findall(sections(room)[section])) == used


def test_what_is_heard_is_told_by_a_room_below_or_by_itself_for_later():
    told = {event: room for room in ROOMS for event in EVENT.findall(sections(room)["Tells"])}
    for room in ROOMS:
        for event in EVENT.findall(sections(room)["Hears"]):
            assert event in told, f"{room} hears {event}, which nobody tells"
            assert rank(told[event]) >= rank(room), f"{room} hears {event}"
