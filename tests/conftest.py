import pytest
from django.core.cache import cache

from campaigns import earning
from partners.api import authentication
from programme import queries as programme


@pytest.fixture(autouse=True)
def _forget_cached():
    """Processes live longer than a test's transaction: what they remember must not leak."""
    programme.forget_cached()
    earning.compiled_rules.cache_clear()
    authentication.forget_cached()
    cache.clear()
