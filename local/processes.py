"""Starting programs that end with us, and ending those that did not."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1


def tied_to_us(signal_number: int = signal.SIGTERM) -> Callable[[], None] | None:
    """
    Return what a child runs before it becomes its program: the kernel then sends it the signal
    when we die, even by `kill -9`. Linux only; elsewhere the next start clears up.
    """
    if not sys.platform.startswith("linux"):
        return None
    # Loaded here: between fork and exec a child should do as little as it can.
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def tie() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal_number)
        if os.getppid() != parent:  # we died before the line above
            os.kill(os.getpid(), signal_number)

    return tie


@dataclass(frozen=True)
class User:
    """Whom a program runs as."""

    uid: int
    gid: int


def start(
    command: list[str],
    *,
    log: Path,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    user: User | None = None,
    death_signal: int = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start a program in a process group of its own: the terminal's Ctrl-C must not reach it."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=cwd,
            start_new_session=True,
            user=user.uid if user else None,
            group=user.gid if user else None,
            extra_groups=[] if user else None,
            # Runs after the change of user, which would undo it.
            preexec_fn=tied_to_us(death_signal),  # noqa: PLW1509 - no threads here
        )


def stop(process: subprocess.Popen[bytes], *, signal_number: int, patience: float) -> None:
    """Ask a program to end; when it does not in time, end it and all it started."""
    if process.poll() is None:
        process.send_signal(signal_number)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            _signal_group(process.pid, signal.SIGKILL)
            process.wait()
    # What it left behind, for example the children of a worker that was killed.
    _signal_group(process.pid, signal.SIGKILL)


def stop_stale(pid: int, *, signal_number: int, patience: float) -> None:
    """End a program somebody else started, of which only the number is known."""
    _signal(pid, signal_number)
    deadline = time.monotonic() + patience
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    _signal_group(pid, signal.SIGKILL)
    _signal(pid, signal.SIGKILL)
    while is_alive(pid) and time.monotonic() < deadline + 5:
        time.sleep(0.1)


def wait_for_group(leader: int, *, patience: float) -> None:
    """Wait until nobody is left of a process group."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            os.killpg(leader, 0)
        except (ProcessLookupError, PermissionError):
            return
        time.sleep(0.1)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """A dead process counts as alive until its parent asks after it; in containers none may."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return False


def command_of(pid: int) -> str:
    """Return the command line of a process. Numbers are reused: check before you signal one."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return b" ".join(words).decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        pass
    if sys.platform.startswith("linux"):
        return ""
    answer = subprocess.run(
        ["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return answer.stdout


def _signal(pid: int, signal_number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal_number)


def _signal_group(pid: int, signal_number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal_number)
