"""What a person meets who types something that cannot work."""

import ast
import os
import socket
import subprocess
import sys

import pytest

import dev
from local.locks import FileLock
from local.paths import DEV, Data


def type_in(*arguments, **environment):
    return subprocess.run(
        [sys.executable, str(DEV), *arguments],
        env=dict(os.environ) | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


class TestOldPython:
    def test_the_file_can_be_read_by_very_old_pythons(self):
        ast.parse(DEV.read_text(), feature_version=(3, 4))

        # What Python 2 would stumble over that Python 3.4 reads.
        assert DEV.read_text().isascii()
        assert "print(" not in DEV.read_text()

    def test_is_told_in_one_line_what_to_do(self):
        line = dev.refuse_old_python((3, 8), lambda: None)

        assert "needs Python 3.11 or newer; this is 3.8" in line
        assert "Install one" in line
        assert "\n" not in line

    def test_is_told_the_name_of_a_newer_one(self):
        assert "Type: python3.13 dev.py" in dev.refuse_old_python((3, 8), lambda: "python3.13")

    def test_a_python_that_does_not_start_is_not_named(self, tmp_path, monkeypatch):
        broken = tmp_path / "python3.13"
        broken.write_text("#!/bin/sh\nexit 127\n")
        broken.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))

        assert dev.newer_python() is None

    def test_a_new_one_is_not_refused(self):
        assert dev.refuse_old_python((3, 11), lambda: pytest.fail("no need to look")) is None


class TestCommandLine:
    def test_help_names_every_command(self):
        from local.cli import VERBS

        answer = type_in("help")

        assert answer.returncode == 0
        assert [verb for verb in VERBS if f"dev.py {verb}" not in answer.stdout] == []

    def test_unknown_command(self):
        answer = type_in("launch")

        assert answer.returncode == 2
        assert answer.stderr.splitlines() == [
            "There is no command `launch`. `python3 dev.py help` lists them."
        ]

    def test_the_makefile_knows_every_command(self):
        from local.cli import VERBS

        targets = (DEV.parent / "Makefile").read_text().partition(".PHONY:")[2].splitlines()[0]

        assert VERBS.keys() <= set(targets.split())


class TestDataFolder:
    def test_a_folder_with_other_things_in_it_is_left_alone(self, tmp_path):
        (tmp_path / "letters").mkdir(mode=0o755)
        tmp_path.chmod(0o755)

        answer = type_in("--data", str(tmp_path), "run")

        assert answer.returncode == 1
        assert "is not empty, and not a data folder of ours" in answer.stderr
        assert [each.name for each in tmp_path.iterdir()] == ["letters"]
        assert tmp_path.stat().st_mode & 0o777 == 0o755


class TestRun:
    def test_names_another_port_when_this_one_is_taken(self, tmp_path):
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            answer = type_in("--data", str(tmp_path), "run", "--port", str(port))

        assert answer.returncode == 1
        (line,) = answer.stderr.splitlines()
        assert f"Port {port} is in use" in line
        assert "dev.py run --port " in line

    def test_refuses_to_run_twice_on_the_same_data(self, tmp_path):
        data = Data.at(tmp_path)
        data.file("run.pid").write_text("4711")
        with FileLock(data.file("run.lock")):
            answer = type_in("--data", str(tmp_path), "run")

        assert answer.returncode == 1
        (line,) = answer.stderr.splitlines()
        assert "Another dev.py run (process 4711)" in line

    def test_a_run_that_was_killed_leaves_no_lock(self, tmp_path):
        data = Data.at(tmp_path)
        holder = subprocess.Popen(
            [
                sys.executable,
                "-c",
                (
                    "import sys, time; from pathlib import Path; from local.locks import FileLock\n"
                    "lock = FileLock(Path(sys.argv[1])); print(lock.try_exclusive(), flush=True)\n"
                    "time.sleep(60)"
                ),
                str(data.file("run.lock")),
            ],
            cwd=DEV.parent,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert holder.stdout.readline() == "True\n"
        lock = FileLock(data.file("run.lock"))
        assert not lock.try_exclusive()

        holder.kill()
        holder.communicate()

        assert lock.try_exclusive()
        lock.close()
