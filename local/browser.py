"""A real Chromium for the browser tests: found, or installed where that can be done quietly."""

import os
import shutil
import subprocess
from pathlib import Path

from local.console import say
from local.problem import Problem
from local.venv import Venv

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
# Without a Chinese font the pages of the screenshots show empty boxes.
DEBIAN_PACKAGES = ("chromium", "fonts-noto-cjk")


def find_or_install(venv: Venv) -> str:
    """Return the path of a browser that starts. Browser tests are never skipped."""
    found = find(venv)
    if found:
        return found
    if os.geteuid() == 0 and shutil.which("apt-get"):
        _install()
        if found := find(venv):
            return found
    raise Problem(
        "The browser tests need Chromium, and there is none. Type: "
        + ("" if os.geteuid() == 0 else "sudo ")
        + f"apt-get install -y {' '.join(DEBIAN_PACKAGES)}"
        + f"    (or: {venv.python} -m playwright install chromium)"
    )


def find(venv: Venv) -> str | None:
    candidates = [os.environ.get("CHROMIUM"), *(shutil.which(name) for name in NAMES), MAC]
    candidates.append(_of_playwright(venv))
    return next((each for each in candidates if each and _runs(each)), None)


def _of_playwright(venv: Venv) -> str:
    script = (
        "from playwright.sync_api import sync_playwright as p\n"
        "with p() as browsers: print(browsers.chromium.executable_path)"
    )
    asked = subprocess.run(
        [str(venv.python), "-c", script], capture_output=True, text=True, check=False
    )
    return asked.stdout.strip()


def _runs(program: str) -> bool:
    return Path(program).exists() and bool(version(program))


def version(program: str) -> str:
    try:
        asked = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return asked.stdout.strip() if asked.returncode == 0 else ""


def _install() -> None:
    say(f"Installing {' and '.join(DEBIAN_PACKAGES)} for the browser tests")
    environment = dict(os.environ) | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *DEBIAN_PACKAGES],
    ):
        subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )


def flags() -> str:
    """Return what Chromium is started with, for CHROMIUM_FLAGS."""
    quiet = (
        "--disable-gpu --no-first-run --disable-background-networking "
        "--disable-component-update --disable-sync"
    )
    # Its sandbox needs a user other than root.
    return f"--no-sandbox {quiet}" if os.geteuid() == 0 else quiet
