#!/usr/bin/env python
"""Run a management command. Migrations run as the role that owns the tables."""

import os
import sys

# The application's role may not alter tables, nor change what the ledger holds: see
# docs/operations.md.
OWNER_COMMANDS = {"migrate"}


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "membership.settings")
    if sys.argv[1:2] and sys.argv[1] in OWNER_COMMANDS and "DATABASE_OWNER_URL" in os.environ:
        os.environ["DATABASE_URL"] = os.environ["DATABASE_OWNER_URL"]

    from django.core.management import execute_from_command_line  # noqa: PLC0415 - after environ

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
