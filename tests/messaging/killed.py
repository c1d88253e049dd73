"""A worker that delivers e-mails over the mail server of a test, which lets it wait."""

import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from django.utils import timezone  # noqa: E402 - the apps must be ready

import tests.factories.messaging  # noqa: E402, F401 - it registers the templates
from messaging import operations  # noqa: E402

sys.stdout.write(f"{operations.deliver_everywhere(clock=timezone.now)}\n")
