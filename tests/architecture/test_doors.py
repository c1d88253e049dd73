"""Doors: every call of the API names its scope, every scheduled task is there."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from celery import current_app
from celery.schedules import crontab
from django.conf import settings
from django.contrib.auth.models import Permission
from django.urls import URLPattern, get_resolver
from rest_framework.views import APIView

from common import approvals
from partners.api.permissions import HasScope
from partners.models import Scope
from tests.architecture.source import ROOMS

METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}
# Answers 404 to whatever it is asked, so it has nothing to guard.
OPEN = {"NoSuchResource"}


def patterns(resolver, prefix=""):
    for pattern in resolver.url_patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield route, pattern.callback
        else:
            yield from patterns(pattern, route)


def api_calls():
    for route, callback in patterns(get_resolver()):
        view = getattr(callback, "cls", None) or getattr(callback, "view_class", None)
        ours = view is not None and view.__module__.partition(".")[0] in ROOMS
        if ours and issubclass(view, APIView) and view.__name__ not in OPEN:
            yield pytest.param(view, id=f"{route} {view.__name__}")


CALLS = list(api_calls())


def test_there_is_an_api():
    assert len(CALLS) >= 8


def test_all_under_v1_is_guarded():
    """A plain function under /api/v1/ would answer anybody."""
    guarded = {param.values[0] for param in CALLS}
    for route, callback in patterns(get_resolver()):
        if route.startswith("api/v1/"):
            assert getattr(callback, "cls", None) in guarded, route


@pytest.mark.parametrize("view", CALLS)
class TestApiView:
    def test_names_a_scope_for_every_method_it_handles(self, view):
        handled = {name.upper() for name in view.http_method_names if hasattr(view, name)}

        assert set(view.scopes) == handled & METHODS
        for named in view.scopes.values():
            scopes = {named} if isinstance(named, str) else set(named)
            assert scopes
            assert scopes <= set(Scope)

    def test_is_closed_to_who_lacks_it(self, view):
        assert HasScope in view.permission_classes


def our_tasks():
    current_app.loader.import_default_modules()
    return {
        name: task for name, task in current_app.tasks.items() if not name.startswith("celery.")
    }


def test_every_scheduled_task_exists():
    scheduled = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}

    assert scheduled <= set(our_tasks())


def test_every_schedule_can_come_true():
    for name, entry in settings.CELERY_BEAT_SCHEDULE.items():
        schedule = entry["schedule"]
        if isinstance(schedule, crontab):
            assert schedule.hour, name
            assert schedule.minute, name
        else:
            assert schedule >= 1, name
        assert set(entry) <= {"task", "schedule", "kwargs", "options"}, name


def test_every_nightly_task_is_scheduled():
    """Work nobody starts is work nobody does."""
    scheduled = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    nightly = {name for name in our_tasks() if ".nightly." in name}

    assert nightly <= scheduled


def test_there_are_tasks():
    assert len(our_tasks()) >= 3


@pytest.mark.parametrize("name", sorted(our_tasks()))
class TestTask:
    def test_is_named_by_its_room_and_function(self, name):
        task = our_tasks()[name]
        room = task.run.__module__.partition(".")[0]

        assert room in ROOMS
        assert name in {f"{room}.{task.run.__name__}", f"{room}.nightly.{task.run.__name__}"}

    def test_takes_what_a_later_release_may_send(self, name):
        parameters = inspect.signature(our_tasks()[name].run).parameters.values()

        assert [p.name for p in parameters if p.kind is p.VAR_KEYWORD] == ["_later_arguments"]
        assert all(p.kind in (p.KEYWORD_ONLY, p.VAR_KEYWORD) for p in parameters)


@pytest.mark.django_db
def test_every_kind_of_request_can_be_decided_by_somebody():
    """A permission that does not exist is one that only superusers have."""
    granted = Permission.objects.exclude(group=None)
    held = {f"{p.content_type.app_label}.{p.codename}" for p in granted}

    assert {kind.permission for kind in approvals._kinds.values()} <= held


def test_what_registers_itself_is_imported_wherever_django_is():
    """A room that forgets to import its nightly jobs or subscribers has none, silently."""
    rooms = Path(__file__).parents[2]
    wanted = {
        ".".join(path.relative_to(rooms).with_suffix("").parts).removesuffix(".__init__")
        for name in ("nightly", "subscribers")
        for path in [*rooms.glob(f"*/{name}.py"), *rooms.glob(f"*/{name}/__init__.py")]
    }
    code = "import django, sys; django.setup(); print(*sys.modules)"
    # A process of its own: tests import what they need.
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=rooms, capture_output=True, text=True, check=True
    )

    assert len(wanted) > 5
    assert wanted - set(found.stdout.split()) == set()
