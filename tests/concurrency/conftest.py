import pytest

from points import verification
from tests.concurrency import processes
from tests.factories import identity, main_store, plain


@pytest.fixture(autouse=True)
def _committed(transactional_db):
    """What the migrations put in was flushed by the test before."""
    main_store()
    plain()
    yield
    report = verification.Report()
    for low, high in verification.ranges(size=100_000):
        verification.verify(report=report, low=low, high=high)
    if not _deliberately_broken:
        assert report.differences == []
    _deliberately_broken.clear()


@pytest.fixture(autouse=True)
def _no_process_is_left(_committed):
    yield
    for process in list(processes.living):
        process.kill()


# A negative control breaks the ledger on purpose and says so here.
_deliberately_broken: list[str] = []


@pytest.fixture
def breaks_the_ledger():
    _deliberately_broken.append("yes")


@pytest.fixture
def of():
    return identity()
