import os
import signal
import subprocess
import sys
import time
from threading import Thread

import pytest

from local import processes
from local.paths import PROJECT, Data
from local.supervisor import Supervisor, stop_stale

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


def eventually(question, seconds=10):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := question():
            return answer
        time.sleep(0.05)
    return question()


def python(script):
    return [sys.executable, "-c", script]


@pytest.fixture
def supervisor(tmp_path):
    made = Supervisor(Data.at(tmp_path), dict(os.environ))
    yield made
    made.stop()


class TestSupervisor:
    def test_starts_again_what_dies_and_waits_longer_each_time(self, supervisor, capsys):
        supervisor.add("web", python("print('no such setting', flush=True); raise SystemExit(3)"))
        (service,) = supervisor.services

        def started_three_times():
            supervisor.watch()
            return service.starts == 3

        before = time.monotonic()
        assert eventually(started_three_times, 60)
        assert time.monotonic() - before >= 6  # 2 s, then 4 s
        said = capsys.readouterr().err
        assert "The web process ended by itself" in said
        assert "no such setting" in said

    def test_ends_what_a_killed_process_left_behind(self, supervisor, tmp_path):
        # As Celery does it: a main process whose children do the work.
        supervisor.add(
            "worker",
            python(
                "import subprocess, sys, time\n"
                "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
                f"open({str(tmp_path / 'child')!r}, 'w').write(str(child.pid))\n"
                "time.sleep(60)"
            ),
        )
        child = int(eventually(lambda: (tmp_path / "child").exists() and _read(tmp_path / "child")))
        (service,) = supervisor.services
        service.process.kill()
        service.process.wait()

        supervisor.watch()

        assert eventually(lambda: not processes.is_alive(child))

    def test_a_process_that_does_not_want_to_end_is_ended(self, supervisor, monkeypatch):
        monkeypatch.setattr("local.supervisor.STOP_SECONDS", 1)
        supervisor.add(
            "beat",
            python(
                "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
                "print('deaf', flush=True); time.sleep(60)"
            ),
        )
        (service,) = supervisor.services
        assert eventually(lambda: "deaf" in _read(supervisor.data.logs / "beat.log"))

        supervisor.stop()

        assert service.process.returncode == -signal.SIGKILL


class TestStale:
    def test_services_of_a_killed_run_are_ended_by_the_next(self, tmp_path, capsys):
        data = Data.at(tmp_path)
        earlier = Supervisor(data, dict(os.environ))
        earlier.add("web", python("import time; time.sleep(60)"))
        process = earlier.services[0].process
        _wait_for_exec(process.pid)
        # It is our own child, so somebody of ours has to take note of its end.
        Thread(target=process.wait).start()

        stop_stale(data)

        assert process.wait(5) == -signal.SIGTERM
        assert "an earlier run left behind" in capsys.readouterr().out

    def test_a_number_that_now_belongs_to_another_program_is_left_alone(self, tmp_path):
        data = Data.at(tmp_path)
        stranger = subprocess.Popen(python("import time; time.sleep(60)"))
        try:
            data.file("services.json").write_text(
                f'[{{"name": "web", "pid": {stranger.pid}, "command": ["gunicorn", "membership"]}}]'
            )

            stop_stale(data)

            assert stranger.poll() is None
        finally:
            stranger.kill()
            stranger.wait()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel of Linux does this")
def test_children_end_with_a_parent_that_is_killed(tmp_path):
    parent = subprocess.Popen(
        python(
            "import sys, time; from pathlib import Path; from local import processes\n"
            "child = processes.start([sys.executable, '-c', 'import time; time.sleep(60)'],\n"
            f"    log=Path({str(tmp_path / 'log')!r}))\n"
            "print(child.pid, flush=True); time.sleep(60)"
        ),
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
    )
    child = int(parent.stdout.readline())

    parent.kill()
    parent.communicate()

    assert eventually(lambda: not processes.is_alive(child))


def _read(path):
    return path.read_text() if path.exists() else ""


def _wait_for_exec(pid):
    assert eventually(lambda: "sleep" in processes.command_of(pid))
