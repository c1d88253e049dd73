import pytest
from django.contrib.auth.models import Group
from django.test import Client

from tests.factories import staff


def console(user, *, language="en") -> Client:
    """A browser at the console, logged in."""
    client = Client(headers={"Accept-Language": language})
    client.force_login(user)
    return client


@pytest.fixture
def boss(db) -> Client:
    return console(staff(username="boss"))


@pytest.fixture
def at_work(db):
    """A browser of somebody with one role."""

    def log_in(role: str, *, language="en") -> Client:
        user = staff(is_superuser=False)
        user.groups.add(Group.objects.get(name=role))
        client = console(user, language=language)
        client.user = user
        return client

    return log_in
