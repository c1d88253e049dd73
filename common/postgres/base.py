import select

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
