"""The virtual environment: made and filled when the requirement files say so."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from local.console import say
from local.locks import FileLock
from local.paths import PROJECT
from local.problem import Problem

# What to fill it with. Each of these files includes those before it.
FILES = {
    "run": ("requirements.txt", "requirements-local.txt"),
    "test": ("requirements.txt", "requirements-local.txt", "requirements-dev.txt"),
}


class Venv:
    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def bin(self) -> Path:
        return self.root / "bin"

    @property
    def python(self) -> Path:
        return self.bin / "python"

    @property
    def site_packages(self) -> Path:
        return next(self.root.glob("lib/python3.*/site-packages"))

    def stamp(self, purpose: str) -> Path:
        return self.root / f".filled-to-{purpose}"


def location() -> Path:
    return Path(os.environ.get("VENV") or PROJECT / ".venv").absolute()


def fingerprint(purpose: str, root: Path, project: Path = PROJECT) -> str:
    """Return what changes when the environment must be filled again."""
    digest = hashlib.sha256()
    # A moved environment has scripts that point to where it was; a new Python has other packages.
    digest.update(f"{root} {sys.version}".encode())
    for name in FILES[purpose]:
        digest.update((project / name).read_bytes())
    return digest.hexdigest()


def ensure(purpose: str = "run") -> Venv:
    """Return an environment that holds what the requirement files name."""
    venv = Venv(location())
    if is_filled(venv, purpose):
        return venv
    # Two commands at once, for example a test run beside `manage`, must not both fill it.
    venv.root.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(venv.root.with_name(f"{venv.root.name}.lock")):
        if not is_filled(venv, purpose):
            _make(venv)
            _fill(venv, purpose)
    return venv


def is_filled(venv: Venv, purpose: str, project: Path = PROJECT) -> bool:
    # What is filled to test also runs.
    return any(
        venv.stamp(each).is_file()
        and venv.stamp(each).read_text() == fingerprint(each, venv.root, project)
        for each in {purpose, "test"}
    )


def _make(venv: Venv) -> None:
    if _works(venv):
        return
    say(f"Making the virtual environment {venv.root}")
    # The Python this one came from: an environment cannot be remade by its own Python.
    base = getattr(sys, "_base_executable", None) or sys.executable
    made = _run([base, "-m", "venv", "--clear", str(venv.root)])
    if made.returncode == 0:
        return
    _refuse_full_disk(made.stdout)
    if "ensurepip" in made.stdout or "No module named venv" in made.stdout:
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        raise Problem(
            "This Python cannot make virtual environments. On Debian and Ubuntu type: "
            f"apt install python{version}-venv"
        )
    raise Problem(f"The virtual environment could not be made: {meaningful_line(made.stdout)}")


def _works(venv: Venv) -> bool:
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    probe = f"import pip, sys; assert '%d.%d' % sys.version_info[:2] == '{version}'"
    return venv.python.exists() and _run([str(venv.python), "-c", probe]).returncode == 0


def _fill(venv: Venv, purpose: str) -> None:
    say("Installing what requirements*.txt name (a minute or two the first time)")
    for stamp in venv.root.glob(".filled-to-*"):
        stamp.unlink()
    wanted = ["-r", str(PROJECT / FILES[purpose][-1])]
    pip = [str(venv.python), "-m", "pip", "--disable-pip-version-check"]
    installed = _run([*pip, "install", "--quiet", *wanted])
    if installed.returncode != 0:
        _refuse_full_disk(installed.stdout)
        raise Problem(
            f"Installing the packages failed: {meaningful_line(installed.stdout)} "
            "Mend that and type the same command again: it goes on where it stopped."
        )
    _remove_others(venv)
    # Written last: an interrupted installation leaves no stamp, and is taken up again.
    venv.stamp(purpose).write_text(fingerprint(purpose, venv.root))


def _remove_others(venv: Venv) -> None:
    """Remove what the files no longer name: code must not work here thanks to a leftover."""
    kept = {"pip", "setuptools", "wheel"} | named_packages(FILES["test"])
    listed = _run([str(venv.python), "-m", "pip", "list", "--format=freeze"])
    there = {normalized(line.partition("==")[0]) for line in listed.stdout.splitlines()}
    if others := sorted(there - kept):
        _run([str(venv.python), "-m", "pip", "uninstall", "--yes", "--quiet", *others])


def named_packages(files: tuple[str, ...], project: Path = PROJECT) -> set[str]:
    lines = "\n".join((project / name).read_text() for name in files)
    return {normalized(name) for name in re.findall(r"(?m)^([A-Za-z0-9._-]+)(?:\[.*?\])?==", lines)}


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


NO_CONNECTION = re.compile(
    r"Connection refused|Name or service not known|Temporary failure in name resolution"
    r"|nodename nor servname|Network is unreachable|No route to host|timed out|ProxyError"
    r"|CERTIFICATE_VERIFY_FAILED",
    re.IGNORECASE,
)


def meaningful_line(output: str) -> str:
    """Return the line of pip's output that says most: what it could not find or do."""
    if reason := NO_CONNECTION.search(output):
        # pip ends with "no matching distribution", which is not what is wrong.
        return f"the package registry cannot be reached ({reason[0]})."
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"ERROR|error:|OSError|.*Error:", line)]
    return (errors or lines or ["pip said nothing"])[-1]


def _refuse_full_disk(output: str) -> None:
    if "No space left on device" in output or "Disk quota exceeded" in output:
        free = shutil.disk_usage(PROJECT).free // 2**20
        raise Problem(f"The disk is full ({free} MB free). Free about 1 GB and try again.")


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        return subprocess.CompletedProcess(command, 1, stdout=str(error))
