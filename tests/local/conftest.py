import sys
from pathlib import Path

import pytest

from local import test
from local.venv import Venv


@pytest.fixture(autouse=True)
def no_servers_given(monkeypatch):
    """These tests start servers of their own, beside the ones all tests share."""
    for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "MEMBERSHIP_DATA", test.READY):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def venv():
    return Venv(Path(sys.prefix))
