"""A worker that stops inside its third chunk of the night and waits to be killed."""

import os
import sys
import time
from datetime import date

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from points import nightly  # noqa: E402 - the apps must be ready

chunks = 0
expire = nightly.operations.expire


def expire_and_wait(*, low: int, high: int, on: date) -> tuple[int, int, int]:
    global chunks
    chunks += 1
    done = expire(low=low, high=high, on=on)
    if chunks == 3:
        sys.stdout.write("in chunk 3\n")
        sys.stdout.flush()
        time.sleep(60)
    return done


nightly.operations.expire = expire_and_wait
nightly.expire_due_lots(day=date.fromisoformat(sys.argv[1]))
