"""Loads of SQL scripts, run by pgbench with prepared statements."""

import os
import re
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measuring import Run


class Pgbench:
    """
    One script, as often as `clients` connections can.

    :param members: the script draws its member from 1 … this
    :param schema: where it finds the tables of `seeding.copy_tables` before those of the ledger
    :param units: how much work one transaction does
    """

    def __init__(
        self,
        name: str,
        script: str,
        *,
        members: int,
        clients: int,
        schema: str | None = None,
        units: int = 1,
    ) -> None:
        self.name = name
        self._script = script
        self._members = members
        self._clients = clients
        self._schema = schema
        self._units = units

    def named(self, name: str, script: str | None = None) -> "Pgbench":
        """The same under another name, perhaps with another script."""
        return Pgbench(
            name,
            script or self._script,
            members=self._members,
            clients=self._clients,
            schema=self._schema,
            units=self._units,
        )

    def run(self, seconds: float) -> Run:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
            file.write(self._script)
            file.flush()
            output = _finished(
                _start(
                    *(f"--client={self._clients}", f"--time={max(1, round(seconds))}"),
                    *(f"--define=members={self._members}", f"--file={file.name}"),
                    schema=self._schema,
                ),
                self.name,
            )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = int(_figure(r"actually processed: (\d+)", output))
        per_second = float(_figure(r"^tps = ([\d.]+)", output))
        worked = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Run(done * self._units, done / per_second, client_cpu_seconds=worked)


class OpenLoop:
    """
    Scripts that start at a fixed rate, whether or not the ones before have ended, as tills do.

    A latency counts from the moment the transaction was due. A closed loop would hide a stall:
    while it lasts nobody asks.
    """

    def __init__(
        self, scripts: Sequence[tuple[str, int]], *, members: int, clients: int, rate: int
    ) -> None:
        """:param scripts: each with its share of the whole"""
        self._scripts = scripts
        self._members = members
        self._clients = clients
        self._rate = rate

    def latencies_ms(self, seconds: float) -> list[float]:
        """Run for a while and return how long each transaction took, in order of length."""
        with tempfile.TemporaryDirectory() as folder:
            files = []
            for nth, (script, weight) in enumerate(self._scripts):
                file = Path(folder) / f"{nth}.sql"
                file.write_text(script)
                files.append(f"--file={file}@{weight}")
            pgbench = _start(
                *(f"--client={self._clients}", f"--time={max(1, round(seconds))}"),
                *(f"--rate={self._rate}", "--log", f"--log-prefix={folder}/log"),
                *(f"--define=members={self._members}", *files),
            )
            _finished(pgbench, "the tills")
            lines = [
                line for log in Path(folder).glob("log.*") for line in log.read_text().splitlines()
            ]
        # client, nth, microseconds since it was due, …
        return sorted(int(line.split()[2]) / 1000 for line in lines)


def _start(*arguments: str, schema: str | None = None) -> subprocess.Popen[str]:
    program = shutil.which(os.environ.get("PGBENCH", "pgbench"))
    if program is None:
        raise SystemExit("pgbench is needed: PostgreSQL brings it; put it on the PATH.")
    environment = dict(os.environ)
    if schema:
        environment["PGOPTIONS"] = f"-c search_path={schema},public"
    return subprocess.Popen(
        [
            *(program, "--no-vacuum", "--protocol=prepared", "--jobs=2"),
            # References: time-ordered and new, whoever ran before.
            *("--define=i=0", f"--define=base={int(time.time() * 10) * 10**7}"),
            *(*arguments, os.environ["DATABASE_URL"]),
        ],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _finished(pgbench: subprocess.Popen[str], name: str) -> str:
    output, errors = pgbench.communicate()
    if pgbench.returncode:
        raise SystemExit(f"pgbench failed at {name}:\n{output}{errors}")
    return output


def _figure(pattern: str, output: str) -> str:
    found = re.search(pattern, output, re.MULTILINE)
    if found is None:
        raise SystemExit(f"pgbench did not say {pattern}:\n{output}")
    return found[1]
