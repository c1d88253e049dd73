import pytest
from django.db import connection

from tests.membership.conftest import at_work, boss  # noqa: F401 - for the console's pages


@pytest.fixture
def many_before(db):
    """Ids with a thousands separator, if somebody wrote them as figures."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval('messaging_message_id_seq', 1234567)")
