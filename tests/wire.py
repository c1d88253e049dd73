"""Counts what crosses the wire to PostgreSQL, transaction statements and all."""

import socket
import threading
from contextlib import contextmanager

from django.db import connections

from common.postgres.base import DatabaseWrapper


@contextmanager
def counted_on_the_wire():
    """
    Put a new connection through a counting proxy, and yield the list of statements sent over it.

    Each `Query` message is one round trip: psycopg2 waits for the answer before the next.
    """
    ours = connections["default"]
    settings = dict(ours.settings_dict)
    statements: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = (settings["HOST"], int(settings["PORT"]))
        threading.Thread(target=_serve, args=(listener, server, statements), daemon=True).start()
        settings |= {"HOST": "127.0.0.1", "PORT": listener.getsockname()[1]}
        connections["default"] = DatabaseWrapper(settings, "default")
        try:
            connections["default"].ensure_connection()
            statements.clear()
            yield statements
        finally:
            connections["default"].close()
            connections["default"] = ours


def _serve(listener, server, statements):
    client, _ = listener.accept()
    upstream = socket.create_connection(server)
    threading.Thread(target=_pump, args=(upstream, client), daemon=True).start()
    _read_startup(client, upstream)
    while (head := _read(client, 5)) is not None:
        body = _read(client, int.from_bytes(head[1:5]) - 4)
        if head[:1] == b"Q":
            statements.append(body.rstrip(b"\0").decode())
        upstream.sendall(head + body)


def _read_startup(client, upstream):
    """The first messages have no type: perhaps a wish for encryption, then who is calling."""
    wishes = (80877103, 80877104)
    while True:
        length = _read(client, 4)
        body = _read(client, int.from_bytes(length) - 4)
        upstream.sendall(length + body)
        if int.from_bytes(body[:4]) not in wishes:
            return


def _pump(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass


def _read(source, size):
    data = b""
    while len(data) < size:
        try:
            piece = source.recv(size - len(data))
        except OSError:
            return None
        if not piece:
            return None
        data += piece
    return data
