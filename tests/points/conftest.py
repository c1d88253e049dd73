import pytest

from tests.points.ledger import differences


@pytest.fixture
def sound(db):
    """After the test the proof finds nothing wrong with the ledger."""
    yield
    assert differences() == []
