import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db.backends.postgresql.operations import DatabaseOperations
from hypothesis import HealthCheck, settings

from benefits import queries as benefits
from benefits.operations.coupons import _guessing
from benefits.queries import coupons
from campaigns import activity_rules, budgets, campaign_words, earning, words
from common import approvals
from partners.api import authentication
from points import operations
from programme import queries as programme
from tests import wishes
from tests.emptying import around_the_triggers
from tiers import queries as tiers

# The same examples at each run, and no clock over them: a red test is a fault, not a busy machine.
settings.register_profile(
    "steady", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")

LONG = 600.0
IN_TIME = programme.CACHE_SECONDS, authentication.CACHE_SECONDS


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """
    Refuse an order in which a test that empties the tables runs before one that needs them.

    pytest-django puts such tests last, but a fixture of a session with parameters draws all tests
    that use it together: what migrations wrote would be gone for those that follow.
    """
    emptied = None
    for item in items:
        if {"transactional_db", "live_server"} & set(item.fixturenames) or _commits(item):
            emptied = emptied or item
        elif emptied and ("db" in item.fixturenames or item.get_closest_marker("django_db")):
            raise pytest.UsageError(f"{item.nodeid} would run after {emptied.nodeid}")


def _commits(item):
    mark = item.get_closest_marker("django_db")
    return mark is not None and mark.kwargs.get("transaction", False)


@pytest.fixture(autouse=True, scope="session")
def _translations_are_compiled():
    """Pages are tested in the language members read."""
    call_command("compilemessages")


@pytest.fixture(autouse=True)
def _forget_cached():
    """Processes live longer than a test's transaction: what they remember must not leak."""
    programme.forget_cached()
    operations.forget_cached()
    earning.compiled_rules.cache_clear()
    words._names.cache_clear()
    campaign_words._names.cache_clear()
    tiers.ladder.cache_clear()
    benefits.matrix.cache_clear()
    coupons.definition.cache_clear()
    _guessing.forget_cached()
    coupons.organization_of.cache_clear()
    activity_rules.compiled.cache_clear()
    budgets.forget_cached()
    authentication.forget_cached()
    cache.clear()


@pytest.fixture(autouse=True)
def _forgets_late(monkeypatch):
    """On a busy machine nothing is asked anew in the middle of a test that counts queries."""
    monkeypatch.setattr(programme, "CACHE_SECONDS", LONG)
    monkeypatch.setattr(authentication, "CACHE_SECONDS", LONG)


@pytest.fixture
def _forgets_in_time(monkeypatch, _forgets_late):
    """As in production."""
    monkeypatch.setattr(programme, "CACHE_SECONDS", IN_TIME[0])
    monkeypatch.setattr(authentication, "CACHE_SECONDS", IN_TIME[1])


@pytest.fixture
def wishing(monkeypatch):
    """Wishes can be asked for (tests/wishes.py), and nothing else."""
    monkeypatch.setattr(approvals, "_kinds", {})
    wishes.register()


@pytest.fixture(autouse=True, scope="session")
def _emptying_is_allowed():
    """
    Let the test database be emptied after a test that commits.

    The ledger refuses TRUNCATE to its owner too (tests/points/test_models.py), so the owner steps
    around the triggers for that one statement.
    """
    sql_flush = DatabaseOperations.sql_flush

    def emptied(self, style, tables, **options):
        statements = sql_flush(self, style, tables, **options)
        return around_the_triggers(statements) if statements else statements

    patch = pytest.MonkeyPatch()
    patch.setattr(DatabaseOperations, "sql_flush", emptied)
    yield
    patch.undo()
