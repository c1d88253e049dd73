"""Real servers in folders of their own. Each start costs two seconds, so each test asks a lot."""

import json
import os
import pwd
import signal
import tempfile
import time
from pathlib import Path

import psycopg2
import psycopg2.errors
import pytest

from local import processes
from local.paths import Data
from local.postgres import OWNER, SETUP
from local.problem import Problem
from local.servers import Servers, running


@pytest.fixture
def data():
    # Not in a folder of pytest, which is closed to other users.
    folder = Data.at(Path(tempfile.mkdtemp(prefix="membership-test-")))
    yield folder
    folder.remove()


def ask(url, *statements):
    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchone()[0] if cursor.description else None
    finally:
        connection.close()


def test_servers_live_as_long_as_somebody_uses_them(data, venv):
    first = Servers(data, venv)
    second = Servers(data, venv)
    with second.in_use():
        with first.in_use():
            state = running(data)
            assert "PostgreSQL" in first.versions()[0]
            assert "_version:" in first.versions()[1]
            url = first.database_url(OWNER)
            ask(url, "CREATE TABLE kept (word text)", "INSERT INTO kept VALUES ('会员')")
        assert running(data) == state

        # Somebody kills the keeper: its servers go with it, and come back for those who stay.
        os.kill(state["keeper"], signal.SIGKILL)
        _until(lambda: not processes.is_alive(state["keeper"]))
        second.ensure()
        assert running(data)["keeper"] != state["keeper"]
        assert second.database_url(OWNER) == url
        assert ask(url, "SELECT word FROM kept") == "会员"
    assert running(data) is None

    # A start on a folder where somebody was killed, or the machine lost its power.
    with first.in_use():
        assert ask(first.database_url(OWNER), "SELECT word FROM kept") == "会员"
        cluster = Path(first.state()["postgres"]["home"]) / "cluster"
        postmaster = int((cluster / "postmaster.pid").read_text().splitlines()[0])
        os.kill(postmaster, signal.SIGKILL)
        _until(lambda: _answers(first), 30)
        assert ask(first.database_url(OWNER), "SELECT word FROM kept") == "会员"


def test_what_the_application_may_do(data, venv):
    with Servers(data, venv).in_use() as servers:
        app, owner = servers.database_url(), servers.database_url(OWNER)

        # Also in a database made later, as the tests' are.
        ask(owner, "CREATE DATABASE later", "CREATE TABLE plain (id int)")
        later = f"{owner.rpartition('/')[0]}/later"
        ask(later, "CREATE TABLE plain (id serial)")
        for each in (app, f"{app.rpartition('/')[0]}/later"):
            ask(each, "INSERT INTO plain VALUES (1)", "UPDATE plain SET id = 2")
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                ask(each, "CREATE TABLE own (id int)")
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                ask(each, "DROP TABLE plain")
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                ask(each, "TRUNCATE plain")
        assert ask(app, "SHOW statement_timeout") == "8s"
        assert ask(app, "SHOW lock_timeout") == "5s"
        assert ask(app, "SHOW idle_in_transaction_session_timeout") == "15s"
        assert ask(owner, "SHOW statement_timeout") == "0"

        # How the database was made.
        assert ask(owner, "SHOW data_checksums") == "on"
        assert ask(owner, "SHOW fsync") == "on"
        assert ask(owner, "SHOW listen_addresses") == "127.0.0.1"
        ask(owner, "CREATE EXTENSION pg_trgm")
        assert len(ask(owner, "SELECT show_trgm('小明')")) == 3
        with pytest.raises(psycopg2.OperationalError):
            ask(app.replace(servers.keys.app_password, "wrong"), "SELECT 1")


def test_folders_that_cannot_be_used(data, venv):
    servers = Servers(data, venv)
    with servers.in_use():
        home = Path(servers.state()["postgres"]["home"])
    complete = data.file("database-complete.json")
    secrets = data.file("secrets.json")

    # Made by another version.
    made_by = complete.read_text()
    complete.write_text(json.dumps(json.loads(made_by) | {"major": "9"}))
    with pytest.raises(Problem, match="made by PostgreSQL 9"):
        servers.join()
    complete.write_text(made_by)

    # The keys of what is encrypted in it are gone.
    kept = secrets.read_text()
    secrets.unlink()
    with pytest.raises(Problem, match=r"secrets\.json is missing"):
        Servers(data, venv)
    secrets.write_text(kept)

    # Half-written: initdb was killed, so the mark that comes last is not there.
    complete.unlink()
    (home / "cluster" / "global" / "pg_control").unlink()
    with servers.in_use():
        assert ask(servers.database_url(), "SELECT 1") == 1
    assert [each.name for each in home.glob("cluster-half-written-*")] != []


def test_secrets_are_closed_to_others(data, venv):
    Servers(data, venv)

    assert data.file("secrets.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to step down")
def test_for_root_the_database_runs_as_nobody_where_nobody_gets_in(tmp_path, venv):
    tmp_path.chmod(0o700)
    data = Data.at(tmp_path / "data")

    with Servers(data, venv).in_use() as servers:
        home = Path(servers.state()["postgres"]["home"])
        assert data.root not in home.parents
        assert pwd.getpwuid(home.stat().st_uid).pw_name == "nobody"
        assert home.stat().st_mode & 0o777 == 0o700
        assert data.file("postgres-home").read_text() == str(home)

    data.remove()
    assert not home.exists()


def test_the_containers_get_the_same_roles():
    compose = (SETUP.parent.parent / "docker-compose.yml").read_text()

    assert "./docker/database.sql:/docker-entrypoint-initdb.d/" in compose


def _answers(servers):
    try:
        return ask(servers.database_url(OWNER), "SELECT 1") == 1
    except psycopg2.OperationalError:
        return False


def _until(question, seconds=10):
    deadline = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < deadline
        time.sleep(0.1)
