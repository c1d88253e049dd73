"""
Gives the tests real servers: `pytest -p local.pytest_plugin`.

They must run before Django's settings are read, so this comes before pytest-django. With xdist the
controlling process starts them, and the workers find their addresses in the environment.
"""

import os
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from local import browser, test
from local.paths import Data
from local.servers import Servers
from local.venv import Venv

_servers: Servers | None = None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests() -> Generator[None, None, None]:
    global _servers  # noqa: PLW0603 - a plugin module has no object of its own to keep it in
    if not os.environ.get(test.READY):
        venv = Venv(Path(sys.prefix))
        _servers = Servers(Data.temporary("test"), venv, durable=False)
        _servers.join()
        os.environ.update(test.environment(_servers, browser.find_or_install(venv)))
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        # Each worker has a Redis database of its own, as it has its own in PostgreSQL: a test that
        # clears the cache must not clear its neighbor's.
        server = os.environ["REDIS_URL"].rpartition("/")[0]
        os.environ["REDIS_URL"] = f"{server}/{int(worker.removeprefix('gw')) + 1}"
    return (yield)


def pytest_report_header() -> list[str]:
    return os.environ[test.READY].splitlines()


def pytest_unconfigure() -> None:
    global _servers  # noqa: PLW0603
    if _servers:
        _servers.leave()
        _servers = None
        # The same process may run pytest again.
        del os.environ[test.READY]
