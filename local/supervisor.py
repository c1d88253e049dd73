"""
Keeps the platform's own processes running: web, worker, beat.

Celery's main process ends on a message it cannot parse and on a Redis that refuses a write, so
whatever starts it has to start it again.
"""

import json
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from local import processes
from local.console import complain, last_lines, say
from local.paths import PROJECT, Data, read_json, write_private

# A service that ran this long had started properly; its next start need not wait.
STEADY_AFTER = 20
BACK_OFF_MAX = 30
STOP_SECONDS = 8
LOG_MAX_BYTES = 20_000_000
PIDS = "services.json"


@dataclass
class Service:
    name: str
    command: list[str]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_again_at: float = 0.0
    quick_deaths: int = 0
    starts: int = 0


class Supervisor:
    def __init__(self, data: Data, environment: dict[str, str]) -> None:
        self.data = data
        self.environment = environment
        self.services: list[Service] = []
        self._pids = data.file(PIDS)

    def add(self, name: str, command: list[str]) -> None:
        service = Service(name, command)
        self.services.append(service)
        self._rotate_log(service)
        self._start(service)

    def watch(self) -> None:
        """Look after the services once; to be called again and again."""
        for service in self.services:
            if service.process is None:
                if time.monotonic() >= service.start_again_at:
                    self._start(service)
            elif service.process.poll() is not None:
                self._died(service)

    def stop(self) -> None:
        """Ask all of them to end, then see that they did."""
        running = [each.process for each in self.services if each.process]
        for process in running:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for process in running:
            processes.stop(
                process,
                signal_number=signal.SIGTERM,
                patience=max(0.1, deadline - time.monotonic()),
            )
        self._pids.unlink(missing_ok=True)

    def _start(self, service: Service) -> None:
        service.process = processes.start(
            service.command, log=self._log(service), env=self.environment, cwd=PROJECT
        )
        service.started_at = time.monotonic()
        service.starts += 1
        self._note_pids()

    def _died(self, service: Service) -> None:
        assert service.process is not None
        # Its children must not go on beside the ones of the next start.
        processes.stop(service.process, signal_number=signal.SIGTERM, patience=0.1)
        lived = time.monotonic() - service.started_at
        service.quick_deaths = service.quick_deaths + 1 if lived < STEADY_AFTER else 0
        pause = min(BACK_OFF_MAX, 2**service.quick_deaths) if service.quick_deaths else 0
        service.start_again_at = time.monotonic() + pause
        complain(
            f"The {service.name} process ended by itself after {lived:.0f} s "
            f"(exit code {service.process.returncode}); starting it again in {pause} s."
        )
        if service.quick_deaths:
            complain(f"  {self._log(service)} ends with\n{last_lines(self._log(service))}")
        service.process = None

    def _log(self, service: Service) -> Path:
        return self.data.logs / f"{service.name}.log"

    def _rotate_log(self, service: Service) -> None:
        log = self.data.logs / f"{service.name}.log"
        if log.exists() and log.stat().st_size > LOG_MAX_BYTES:
            log.replace(log.with_suffix(".log.1"))

    def _note_pids(self) -> None:
        alive = [
            {"name": each.name, "pid": each.process.pid, "command": each.command}
            for each in self.services
            if each.process
        ]
        write_private(self._pids, json.dumps(alive))


def stop_stale(data: Data) -> None:
    """End services that outlived the `dev.py` that started them."""
    for service in read_json(data.file(PIDS)) or []:
        pid, command = service["pid"], service["command"]
        # Numbers are reused, so it must also be the same program with the same arguments.
        if processes.is_alive(pid) and " ".join(command) in processes.command_of(pid):
            say(f"  Stopping the {service['name']} process that an earlier run left behind")
            processes.stop_stale(pid, signal_number=signal.SIGTERM, patience=STOP_SECONDS)
        # Children whose parent was killed end by themselves within a second or two.
        processes.wait_for_group(pid, patience=5)
    data.file(PIDS).unlink(missing_ok=True)
