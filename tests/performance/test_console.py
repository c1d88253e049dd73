"""The console's lists among 200,000 members: plans, never the clock."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from members.models import Member
from members.numbers import member_number
from tests.emptying import around_the_triggers
from tests.factories import staff
from tests.performance.seeding import seed_members

pytestmark = [pytest.mark.django_db, pytest.mark.perf]
MEMBERS = 200_000
MEMBERS_TABLES = "members_member, members_phonedirectory, members_product, members_externalnumber"
EMPTY = f"TRUNCATE {MEMBERS_TABLES} CASCADE"


@pytest.fixture(scope="module")
def seeded(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        seed_members(MEMBERS)
        yield
        with connection.cursor() as cursor:
            for statement in around_the_triggers([EMPTY]):
                cursor.execute(statement)


def plans(captured) -> str:
    selects = [query["sql"] for query in captured if query["sql"].startswith(("SELECT", "("))]
    # Counting to a thousand without a condition reads a thousand rows, wherever they lie.
    selects = [sql for sql in selects if "WHERE" in sql or "LIMIT 1000)" not in sql]
    lines = []
    with connection.cursor() as cursor:
        for sql in selects:
            cursor.execute("EXPLAIN " + sql.replace("%", "%%"), [])
            lines += [sql, *(row[0] for row in cursor.fetchall())]
    return "\n".join(lines)


def read_from_end_to_end(plan: str) -> list[str]:
    """Which of the large tables of members."""
    return [table for table in MEMBERS_TABLES.split(", ") if f"Seq Scan on {table}" in plan]


def some_name() -> str:
    return Member.objects.filter(pk__lte=1000, name__regex=r"^.{3}$").first().name


@pytest.mark.usefixtures("seeded")
class TestFindAMember:
    @pytest.mark.parametrize(
        ("question", "found"),
        [
            (lambda: "13900077777", 1),
            (lambda: member_number(77_777), 1),
            (lambda: "LFV00000000077777", 1),
            (lambda: "C-77777", 1),
            (lambda: "13800077777", 0),
            (some_name, None),
            (lambda: some_name()[1:], None),
            (lambda: "王", 50),
            (lambda: "王伟", None),
            (lambda: "犇犇", 0),
            (lambda: "wangwei", None),
            (lambda: "ww", None),
            (lambda: "7777", 20),
            (lambda: "7777 王", None),
            (lambda: "", 50),
        ],
        ids=[
            "phone",
            "number",
            "vin",
            "external",
            "no phone",
            "name",
            "given name",
            "王",
            "王伟",
            "nobody",
            "pinyin",
            "initials",
            "last digits",
            "last digits and name",
            "newest",
        ],
    )
    def test_reads_no_table_from_end_to_end(self, client, question, found):
        client.force_login(staff())
        page = reverse("admin:members_member_changelist")
        client.get(page)

        with CaptureQueriesContext(connection) as captured:
            response = client.get(page, {"q": question()})

        rows = response.context["cl"].result_list
        assert len(rows) == found if found is not None else 0 < len(rows) <= 50
        plan = plans(captured)
        assert not read_from_end_to_end(plan), plan

    @pytest.mark.parametrize("order", ["1", "-1"], ids=["from A", "from Z"])
    def test_names_in_the_order_of_the_alphabet_are_read_off_their_index(self, client, order):
        client.force_login(staff())

        with CaptureQueriesContext(connection) as captured:
            response = client.get(reverse("admin:members_member_changelist"), {"o": order})

        assert len(response.context["cl"].result_list) == 50
        plan = plans(captured)
        assert "members_member_by_name" in plan, plan
        assert not read_from_end_to_end(plan), plan

    def test_the_page_of_one_reads_no_table_from_end_to_end(self, client):
        client.force_login(staff())

        with CaptureQueriesContext(connection) as captured:
            response = client.get(reverse("admin:member", args=[member_number(77_777)]))

        assert response.status_code == 200
        plan = plans(captured)
        assert not read_from_end_to_end(plan), plan
