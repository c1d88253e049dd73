import os
import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.db import OperationalError
from django.utils import timezone

from common.errors import DomainError
from messaging import bounces, operations
from messaging.models import Channel


class Command(BaseCommand):
    help = (
        "Note what a mail server tells of an e-mail it took (RFC 3464), from standard input: what "
        "a mail server's alias pipes to. Other letters change nothing."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        letter = sys.stdin.buffer.read(bounces.BYTES_MAX + 1)
        try:
            told = bounces.read(letter)
            count = operations.note_receipts(
                receipts=told, channel=Channel.EMAIL, at=timezone.now()
            )
        except DomainError as refusal:
            # No error for the mail server: it would answer a notification with another.
            self.stderr.write(f"{refusal.code}: {refusal}")
            return
        except OperationalError as error:
            self.stderr.write(str(error))
            sys.exit(os.EX_TEMPFAIL)  # it keeps the letter and tries again
        self.stdout.write(f"noted: {count}")
