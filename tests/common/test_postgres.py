"""The short way to the database keeps what Django promises of the long one."""

from threading import Event

import pytest
from django.db import (
    DataError,
    IntegrityError,
    OperationalError,
    close_old_connections,
    connection,
    transaction,
)
from django.db.transaction import TransactionManagementError

from common.models import IdempotencyRecord
from common.postgres.calls import call, first_row
from tests.concurrency.racing import Racer
from tests.wire import counted_on_the_wire

INSERT = """
    INSERT INTO common_idempotencyrecord (client_id, key, fingerprint, status, body, created_at)
    VALUES (1, 'k', '', 200, '', now()) RETURNING id
"""


@pytest.mark.django_db
class TestOneStatement:
    def test_a_function_answers_what_sql_answers(self):
        assert call("concat_ws", "-", "it's", None, "a\\b%", "点") == "it's-a\\b%-点"
        assert call("array_append", [1, 2], 3) == [1, 2, 3]
        assert call("nullif", 1, 1) is None

    def test_a_statement_answers_its_first_row_or_none(self):
        assert first_row("SELECT n, n * 2 FROM generate_series(1, 3) AS n") == (1, 2)
        assert first_row("SELECT 1 WHERE %s = 2", (1,)) is None

    def test_is_seen_by_who_counts_statements(self, django_assert_num_queries):
        with django_assert_num_queries(2) as captured:
            call("concat", "a")
            first_row("SELECT 2")

        assert [query["sql"] for query in captured] == ["SELECT concat('a')", "SELECT 2"]

    def test_is_seen_by_who_wraps_statements(self):
        seen = []

        def wrapper(execute, sql, params, many, context):
            seen.append((sql, params))
            return execute(sql, params, many, context)

        with connection.execute_wrapper(wrapper):
            assert call("abs", -1) == 1

        assert seen == [("SELECT abs(%s)", (-1,))]

    def test_raises_djangos_errors(self):
        first_row(INSERT)

        with pytest.raises(IntegrityError, match="common_idempotency_once"), transaction.atomic():
            first_row(INSERT)
        with pytest.raises(DataError), transaction.atomic():
            call("int4", "no number")

        assert IdempotencyRecord.objects.count() == 1

    def test_refuses_in_a_transaction_that_has_failed(self):
        with transaction.atomic():
            transaction.set_rollback(True)
            with pytest.raises(TransactionManagementError):
                first_row("SELECT 1")


@pytest.mark.django_db(transaction=True)
class TestConnection:
    def test_one_call_is_one_message(self):
        with counted_on_the_wire() as statements:
            call("abs", 1)
            first_row("SELECT 2")

        assert statements == ["SELECT abs(1)", "SELECT 2"]

    def test_outside_a_transaction_it_commits_and_undoes_by_itself(self):
        first_row(INSERT)
        with pytest.raises(IntegrityError):
            first_row(INSERT)

        connection.close()
        assert IdempotencyRecord.objects.count() == 1

    def test_inside_one_it_is_undone_with_it(self):
        with transaction.atomic():
            first_row(INSERT)
            transaction.set_rollback(True)

        assert not IdempotencyRecord.objects.exists()

    def test_connects_by_itself(self):
        connection.close()

        assert first_row("SELECT 1") == (1,)

    def test_a_connection_the_server_ended_fails_once_and_is_replaced(self):
        def twice():
            with pytest.raises(OperationalError):
                first_row("SELECT 1")
            close_old_connections()  # what the next request begins with
            return first_row("SELECT 1")

        racer = Racer(twice)
        call("pg_terminate_backend", racer.backend, 5000)

        assert racer.go().answer() == (1,)

    def test_a_connection_known_to_be_dead_is_replaced_before_it_is_used(self):
        def after_a_pause():
            assert first_row("SELECT 1") == (1,)
            paused.set()
            assert ended.wait(20)
            close_old_connections()
            return first_row("SELECT 2")

        paused, ended = Event(), Event()
        racer = Racer(after_a_pause).go()
        assert paused.wait(20)
        call("pg_terminate_backend", racer.backend, 5000)
        ended.set()

        assert racer.answer() == (2,)
