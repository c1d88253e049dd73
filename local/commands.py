"""Running the platform's management commands."""

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

from local import processes
from local.paths import PROJECT
from local.problem import Problem
from local.servers import Servers

LINES_SHOWN = 20


def manage(servers: Servers, *arguments: str) -> str:
    """Run a management command and return what it prints; show its output only if it fails."""
    log = servers.data.logs / "manage.log"
    with log.open("a") as errors:
        done = subprocess.run(
            [str(servers.venv.python), "manage.py", *arguments],
            cwd=PROJECT,
            env=servers.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            preexec_fn=processes.tied_to_us(),
            check=False,
        )
        errors.write(f"$ manage.py {' '.join(arguments)}\n{done.stderr}\n")
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip().splitlines()[-LINES_SHOWN:]
        raise Problem(
            f"manage.py {' '.join(arguments)} failed:\n" + "\n".join(f"    {line}" for line in said)
        )
    return done.stdout


def manage_json(servers: Servers, *arguments: str) -> Any:
    """Return what a command prints as JSON, which may follow other lines."""
    printed = manage(servers, *arguments)
    start = printed.find("{")
    try:
        return json.loads(printed[start:])
    except ValueError:
        raise Problem(f"manage.py {' '.join(arguments)} printed no JSON: {printed[:200]}") from None


def in_terminal(command: list[str], environment: dict[str, str], *, cwd: Path = PROJECT) -> int:
    """Run a program that talks with the person at the terminal, and return its exit code."""
    # Ctrl-C belongs to the program: a shell stays, psql cancels its query.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        program = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment,
            preexec_fn=_as_child(processes.tied_to_us()),  # noqa: PLW1509 - no threads here
        )
        try:
            return program.wait()
        finally:
            if program.poll() is None:
                program.terminate()
                program.wait()
    finally:
        signal.signal(signal.SIGINT, before)


def _as_child(tie: Any) -> Any:
    def prepare() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored signals are inherited
        if tie:
            tie()

    return prepare
