"""TCP ports on this machine."""

import errno
import socket

from local.problem import Problem

HOST = "127.0.0.1"


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do: a port whose latest connection has just closed counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno == errno.EACCES:
                raise Problem(
                    f"This user may not use port {port}. Choose one above 1023: --port 8000"
                ) from None
            if error.errno == errno.EADDRINUSE:
                return False
            raise
        return True


def free_port(preferred: int | None = None) -> int:
    """Return a free port: the preferred one if it still is, so that addresses stay the same."""
    if preferred and is_free(preferred):
        return preferred
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def next_free(port: int) -> int:
    return next(candidate for candidate in range(port + 1, port + 1000) if is_free(candidate))
