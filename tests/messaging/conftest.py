from tests.membership.conftest import at_work, boss  # noqa: F401 - for the console's pages
