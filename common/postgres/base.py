import select
from collections.abc import Sequence
from typing import Any

from django.db.backends.postgresql import base
from psycopg2.extensions import TRANSACTION_STATUS_INERROR


class DatabaseWrapper(base.DatabaseWrapper):
    """
    Asks a persistent connection how it is only when there is reason to.

    A server that restarted or ended the session has closed its side: the socket can be read. One
    that says nothing on a quiet socket needs no `SELECT 1`, which would cost each request a round
    trip, a third of what a purchase costs. A host that vanished without a word is found by neither
    in time; the timeouts in settings are for that, and the caller gets a 503.
    """

    def is_usable(self) -> bool:
        if self.connection is None or self.connection.closed:
            return False
        socket = select.poll()
        socket.register(self.connection, select.POLLIN)
        failed = self.connection.info.transaction_status == TRANSACTION_STATUS_INERROR
        return not (failed or socket.poll(0)) or super().is_usable()

    def first_row(self, statement: str, arguments: Sequence[Any]) -> tuple[Any, ...] | None:
        """
        Send one statement and return its first row (`common.postgres.calls`).

        As a cursor of Django's does, with the driver's own: connect if need be, give up a
        connection that is known to be dead, refuse in a transaction that has failed, and raise
        Django's errors. Where somebody listens to what is sent, it does go through Django's.
        """
        if self.queries_logged or self.execute_wrappers:
            with self.cursor() as listened_to:
                listened_to.execute(statement, arguments)
                return listened_to.fetchone()
        self.close_if_health_check_failed()
        self.ensure_connection()
        self.validate_no_broken_transaction()
        with self.wrap_database_errors, self.connection.cursor() as cursor:
            cursor.execute(statement, arguments)
            row: tuple[Any, ...] | None = cursor.fetchone()
            return row
