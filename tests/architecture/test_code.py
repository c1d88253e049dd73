"""House rules that a program can check. Each was seen to fail once."""

import ast
import re
import subprocess

import pytest
from django.apps import apps
from simple_history.models import HistoricalChanges

from tests.architecture.source import BASE, ROOMS, called, live_files, nodes, where

APPLICATION_UPDATED = ("partners.ApiClient", "updated")
LIVE = [path for room in ROOMS for path in live_files(room)]
SIGNALS = re.compile(
    r"^(pre|post)_(init|save|delete|migrate)$|^m2m_changed$|^receiver$|^class_prepared$"
)


def own_models():
    models = [model for room in ROOMS for model in apps.get_app_config(room).get_models()]
    return [model for model in models if not issubclass(model, HistoricalChanges)]


def found(matches):
    return [where(path, node) for path in LIVE for node in nodes(path) if matches(node)]


def test_nobody_uses_model_signals():
    """What follows from what is read top to bottom; facts go upward by common.events."""

    def is_signal(node):
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            return module.startswith("django.db.models.signals") or any(
                SIGNALS.match(alias.name)
                or (module == "django.db.models" and alias.name == "signals")
                for alias in node.names
            )
        if isinstance(node, ast.Import):
            return any(alias.name.endswith("models.signals") for alias in node.names)
        return isinstance(node, ast.Attribute) and bool(SIGNALS.match(node.attr))

    assert found(is_signal) == []


def test_no_model_is_fetched_by_name():
    """`apps.get_model` would reach any room without an import the linter can see."""
    names = {"get_model", "get_registered_model"}

    assert found(lambda node: called(node).rpartition(".")[2] in names) == []


def test_no_room_is_imported_by_name():
    names = {"import_module", "importlib.import_module", "__import__"}

    assert found(lambda node: called(node) in names) == []


def test_no_save_is_overridden_and_no_manager_hides_rows():
    def overrides(node):
        return isinstance(node, ast.ClassDef) and any(
            isinstance(item, ast.FunctionDef)
            and item.name in {"save", "delete", "save_base", "refresh_from_db"}
            for item in node.body
        )

    assert [place for place in found(overrides) if "/models" in place] == []


def test_the_clock_is_read_at_the_edge():
    """Operations and models take the time: a replay gives them another than the wall's."""
    clocks = {"timezone.now", "datetime.now", "datetime.utcnow", "date.today", "timezone.localdate", "localdate", "localtime", "time.time"}  # fmt: skip  # noqa: E501

    def reads(node):
        return called(node) in clocks and not node.args and not node.keywords

    inner = re.compile(r"^\w+/(models|operations|queries|verification)(/|\.py)")
    assert [place for place in found(reads) if inner.match(place)] == []


@pytest.mark.parametrize("model", own_models(), ids=lambda model: model._meta.label)
class TestModel:
    def test_has_no_order_of_its_own(self, model):
        """An order nobody asked for is a sort on every query."""
        assert not model._meta.ordering

    def test_is_readable(self, model):
        own = next(base for base in model.__mro__ if "__str__" in vars(base))
        assert own.__module__ != "django.db.models.base", "the console would show “Object (1)”"

    def test_has_no_field_that_changes_by_itself(self, model):
        fields = [f for f in model._meta.get_fields() if getattr(f, "auto_now", False)]
        # django-oauth-toolkit's applications bring one along.
        assert [f.name for f in fields if (model._meta.label, f.name) != APPLICATION_UPDATED] == []

    def test_names_its_constraints_and_indexes_by_room(self, model):
        named = [*model._meta.constraints, *model._meta.indexes]
        prefix = f"{model._meta.app_label}_"
        assert [one.name for one in named if not one.name.startswith(prefix)] == []


# Words by which a file would know the machine it was written on, or a secret it must not hold.
FORBIDDEN = [
    (r"/(home|root|Users|work|tmp/w)/\w", "a path of somebody's machine"),
    (r"BEGIN (RSA |EC |OPENSSH )?PRIVATE KEY", "a private key"),
    (r"\.\./(shared|\.library)", "a folder outside the project"),
    (r"(?i)breakpoint\(\)|import pdb|pdb\.set_trace", "a debugger"),
    (r"^(<{7}|>{7}) ", "a merge that was not finished"),
]


MADE = {".venv", ".data", ".git", ".hypothesis", ".mypy_cache", ".ruff_cache", "__pycache__"}


def test_no_file_tells_of_the_place_it_was_written():
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=BASE, capture_output=True, text=True, check=False
    )
    names = listed.stdout.split("\0")[:-1]
    if listed.returncode:
        # An installation from an archive: every file but what it made itself.
        names = [
            str(path.relative_to(BASE))
            for path in BASE.rglob("*")
            if path.is_file() and not any(part in MADE for part in path.relative_to(BASE).parts)
        ]
    faults = []
    for name in names:
        if name == "tests/architecture/test_code.py" or not (BASE / name).is_file():
            continue
        try:
            text = (BASE / name).read_text()
        except UnicodeDecodeError:
            continue
        for pattern, what in FORBIDDEN:
            if match := re.search(pattern, text, re.M):
                faults.append(f"{name} holds {what}: {match[0]!r}")
    assert names
    assert faults == []
