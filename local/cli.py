"""The command line of `dev.py`."""

import argparse
import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from local.console import complain, say
from local.paths import PROJECT, Data
from local.problem import Problem

HELP = """\
会员平台 · the membership platform on this machine. Needs Python 3.11 or newer, nothing else.

  python3 dev.py run              everything, with a demo programme: http://127.0.0.1:8000
        --no-demo                 only the rules of the programme `plain`, no members
        --programme NAME          only the rules of another: `retail` or `car-owner`, with tiers
        --port N                  another port than 8000
        --once                    play one worked example in a throw-away folder, then end
  python3 dev.py test             all checks and tests
  python3 dev.py test ARGS…       only pytest, with these arguments, e.g. tests/points -k expiry
  python3 dev.py manage COMMAND…  a management command, e.g. manage shell
  python3 dev.py psql [ARGS…]     the database, as the owner of the tables
  python3 dev.py bench [name=value …]
                                  the benchmarks, on servers set up as in production
  python3 dev.py lint             linters and formatters, changing nothing
  python3 dev.py fix              what linters and formatters can mend by themselves
  python3 dev.py types            the type checker
  python3 dev.py stop             stop what a `run` on this data folder started
  python3 dev.py help             this page

  --data DIR   (before the command, or MEMBERSHIP_DATA) where the servers keep their files, secrets
               and logs; .data in the project by default. Folders are independent of each other.

  VENV          the virtual environment; .venv in the project by default
  DATABASE_URL, DATABASE_OWNER_URL, REDIS_URL
                servers of your own, instead of the ones started here; `test` makes a database
                of its own there, but empties the numbered databases of that Redis

The same by `make run`, `make test` and so on.
"""


def main(arguments: list[str]) -> int:
    for name in ("stdout", "stderr"):
        # A terminal or log that cannot show Chinese must not end the command.
        getattr(sys, name).reconfigure(errors="replace")
    try:
        if sys.platform == "win32":
            raise Problem("This runs on Linux and macOS. On Windows use WSL (wsl --install).")
        return _dispatch(arguments)
    except Problem as problem:
        complain(str(problem))
        return 1
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        if error.errno == errno.ENOSPC:
            complain(f"The disk is full ({error.filename or 'while writing'}). Free some space.")
            return 1
        raise


def _dispatch(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("dev.py", add_help=False)
    parser.add_argument("--data", type=Path)
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("verb", nargs="?", default="help")
    # What follows the verb is the verb's, dashes and all.
    parser.add_argument("rest", nargs=argparse.REMAINDER)
    options = parser.parse_args(arguments)
    if options.help or options.verb == "help":
        say(HELP)
        return 0
    if options.verb not in VERBS:
        complain(f"There is no command `{options.verb}`. `python3 dev.py help` lists them.")
        return 2
    chosen = options.data or os.environ.get("MEMBERSHIP_DATA")
    return VERBS[options.verb](Path(chosen) if chosen else None, options.rest)


def data_at(chosen: Path | None) -> Data:
    return Data.at(chosen or PROJECT / ".data")


# --- The commands. Each takes the data folder, if one was chosen, and what was typed after it. ---


def _run(chosen: Path | None, arguments: list[str]) -> int:
    from local import example, run

    parser = argparse.ArgumentParser("dev.py run")
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--no-demo", action="store_true")
    parser.add_argument("--programme", choices=["plain", "retail", "car-owner"])
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args(arguments)
    if options.once:
        return example.run_once()
    rules = options.programme or ("plain" if options.no_demo else None)
    return run.run(data_at(chosen), port=options.port, programme=rules)


def _test(_: Path | None, arguments: list[str]) -> int:
    from local import test

    return test.run_all(arguments)


def _bench(chosen: Path | None, arguments: list[str]) -> int:
    from local import bench

    return bench.bench(chosen, arguments)


def _manage(chosen: Path | None, arguments: list[str]) -> int:
    from local import commands, venv
    from local.servers import Servers

    with Servers(data_at(chosen), venv.ensure()).in_use() as servers:
        if servers.database_is_new() and arguments[:1] not in (["migrate"], ["makemigrations"]):
            commands.manage(servers, "migrate", "--noinput")
        # In the folder it was typed in: arguments may name files there.
        command = [str(servers.venv.python), str(PROJECT / "manage.py"), *arguments]
        return commands.in_terminal(command, servers.environment(), cwd=Path.cwd())


def _psql(chosen: Path | None, arguments: list[str]) -> int:
    from local import commands, venv
    from local.servers import Servers

    with Servers(data_at(chosen), venv.ensure()).in_use() as servers:
        return commands.in_terminal(*servers.psql(*arguments))


def _lint(*_: object) -> int:
    return _tools(
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["lint-imports"],
        *_templates("djlint", "--check"),
    )


def _fix(*_: object) -> int:
    return _tools(
        ["ruff", "check", "--fix", "."],
        ["ruff", "format", "."],
        *_templates("djlint", "--reformat", "--quiet"),
    )


def _types(*_: object) -> int:
    # The type checker's Django plugin reads the settings, but connects to nothing.
    from local.test import settings_without_servers

    return _tools(["mypy", "."], environment=settings_without_servers())


def _templates(*command: str) -> list[list[str]]:
    from local.test import template_folders

    folders = template_folders()
    return [[*command, *folders]] if folders else []


def _tools(*commands: list[str], environment: dict[str, str] | None = None) -> int:
    from local import venv

    tools = venv.ensure("test").bin
    codes = [
        subprocess.run(
            [str(tools / name), *arguments],
            cwd=PROJECT,
            env=dict(os.environ) | (environment or {}),
            check=False,
        ).returncode
        for name, *arguments in commands
    ]
    return max(codes)


def _stop(chosen: Path | None, *_: object) -> int:
    from local.run import stop

    stop(data_at(chosen))
    return 0


VERBS: dict[str, Callable[[Path | None, list[str]], int]] = {
    "run": _run,
    "test": _test,
    "manage": _manage,
    "bench": _bench,
    "psql": _psql,
    "lint": _lint,
    "fix": _fix,
    "types": _types,
    "stop": _stop,
}
