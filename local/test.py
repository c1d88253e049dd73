"""`dev.py test`: every check there is, against real servers, with one verdict at the end."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from local import browser, commands, processes, venv
from local.console import say
from local.keys import Keys
from local.paths import PROJECT, Data
from local.postgres import APP, OWNER
from local.run import stopping_on_signals
from local.servers import Servers
from local.venv import Venv

# Set when the servers run; holds what they say of themselves.
READY = "MEMBERSHIP_TEST_SERVERS"
INTERRUPTED = 130


@dataclass(frozen=True)
class Check:
    name: str
    command: list[str]
    environment: dict[str, str] | None = None


def run_all(arguments: list[str]) -> int:
    """Run all checks, or with arguments only pytest with these."""
    code = INTERRUPTED
    with stopping_on_signals():
        python = venv.ensure("test")
        chromium = browser.find_or_install(python)
        servers = Servers(Data.temporary("test"), python, durable=False)
        with servers.in_use():
            env = dict(os.environ) | environment(servers, chromium)
            if arguments:
                # Translated texts are compared, so they must be compiled.
                commands.manage(servers, "compilemessages")
                code = commands.in_terminal(pytest_command(python, arguments), env)
            else:
                code = _everything(python, env)
    return code


def environment(servers: Servers, chromium: str) -> dict[str, str]:
    """Return what the tests read: the servers, and who may make the test database."""
    platform = servers.environment()
    proof = [*servers.versions(), browser.version(chromium)]
    return platform | {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        # The test database is made and migrated by the owner of the tables; a test that asks what
        # the application may do steps down to its role.
        "DATABASE_URL": servers.database_url(OWNER),
        "TEST_APP_ROLE": APP,
        "CHROMIUM": chromium,
        "CHROMIUM_FLAGS": browser.flags(),
        READY: "\n".join(line for line in proof if line),
    }


def _everything(python: Venv, env: dict[str, str]) -> int:
    say(env[READY])
    results: list[tuple[str, bool, float]] = []

    def record(name: str, work: Callable[[], bool]) -> None:
        say(f"\n━━ {name}")
        started = time.monotonic()
        good = work()
        seconds = time.monotonic() - started
        say(f"{'✓' if good else '✗'} {name}: {seconds:.1f} s")
        results.append((name, good, seconds))

    for check in checks(python, env):
        record(check.name, lambda check=check: _run(check.command, check.environment or env))  # type: ignore[misc]
    closing = ""

    def tests() -> bool:
        nonlocal closing
        good, closing = _pytest(python, env)
        return good

    record("pytest", tests)
    return _verdict(results, closing)


def checks(python: Venv, env: dict[str, str]) -> list[Check]:
    """Return what is checked before the tests, quickest first."""

    def tool(name: str, *arguments: str) -> list[str]:
        return [str(python.bin / name), *arguments]

    def manage(*arguments: str) -> list[str]:
        return [str(python.python), "manage.py", *arguments]

    platform = env | {"DJANGO_SETTINGS_MODULE": "membership.settings"}
    found = [
        Check("ruff check", tool("ruff", "check", ".")),
        Check("ruff format", tool("ruff", "format", "--check", ".")),
        Check("mypy", tool("mypy", ".")),
        Check("import-linter", tool("lint-imports")),
        Check("message catalogues compile", manage("compilemessages"), platform),
        Check("no migration missing", manage("makemigrations", "--check", "--dry-run"), platform),
        Check(
            "check --deploy",
            manage("check", "--deploy", "--fail-level", "WARNING"),
            platform | as_in_production(),
        ),
        Check("docker-compose.yml", [str(python.python), "-m", "local.compose"]),
    ]
    if templates := template_folders():
        found.append(Check("djlint", tool("djlint", "--lint", *templates)))
    return found


def settings_without_servers() -> dict[str, str]:
    """Return settings for tools that import the platform but connect to nothing."""
    return as_in_production() | {
        "DJANGO_SETTINGS_MODULE": "membership.settings",
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "REDIS_URL": "redis://127.0.0.1:1/0",
    }


def template_folders() -> list[str]:
    return sorted(
        str(folder.relative_to(PROJECT))
        for folder in [PROJECT / "templates", *PROJECT.glob("*/templates")]
        if any(folder.rglob("*.html"))
    )


def as_in_production() -> dict[str, str]:
    """Return settings as an installation has them, with keys made for the occasion."""
    keys = Keys.generate()
    return {
        "DEBUG": "0",
        "SANDBOX": "0",
        "SECRET_KEY": keys.secret_key,
        "FIELD_KEYS": keys.field_keys,
        "FIELD_INDEX_KEY": keys.field_index_key,
        "SITE_URL": "https://members.example.com",
        "ALLOWED_HOSTS": "members.example.com",
    }


def _run(command: list[str], env: dict[str, str]) -> bool:
    return (
        subprocess.run(
            command, cwd=PROJECT, env=env, preexec_fn=processes.tied_to_us(), check=False
        ).returncode
        == 0
    )


def pytest_command(python: Venv, arguments: list[str]) -> list[str]:
    return [str(python.python), "-m", "pytest", "-p", "local.pytest_plugin", *arguments]


def _pytest(python: Venv, env: dict[str, str]) -> tuple[bool, str]:
    """Run all tests, passing on what they print; return pytest's closing line as well."""
    command = pytest_command(python, ["-n", "auto"])
    tail = b""
    with subprocess.Popen(
        command,
        cwd=PROJECT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=processes.tied_to_us(),  # noqa: PLW1509 - no threads here
    ) as process:
        assert process.stdout is not None
        try:
            while chunk := os.read(process.stdout.fileno(), 65536):
                sys.stdout.buffer.write(chunk)
                sys.stdout.buffer.flush()
                tail = (tail + chunk)[-4096:]
        except BaseException:
            process.terminate()
            raise
    return process.returncode == 0, closing_line(tail.decode(errors="replace"))


def closing_line(output: str) -> str:
    """Return pytest's own last word, such as `== 123 passed in 45.00s ==`."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", output)
    lines = re.findall(r"^=+ .* in [0-9.]+s.*=+$", plain, re.M)
    return lines[-1] if lines else ""


def _verdict(results: list[tuple[str, bool, float]], closing: str) -> int:
    say("\n━━ In all")
    for name, good, seconds in results:
        say(f"  {'✓ passed' if good else '✗ FAILED'}  {name}  ({seconds:.1f} s)")
    failed = [name for name, good, _ in results if not good]
    total = sum(seconds for _, _, seconds in results)
    if closing:
        say(closing)
    if failed:
        say(f"FAILED after {total:.0f} s: {', '.join(failed)}")
        return 1
    say(f"All {len(results)} checks passed in {total:.0f} s.")
    return 0
