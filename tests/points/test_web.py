import re
from datetime import UTC, date, datetime, timedelta

import pytest
from django.test import Client

from members import operations as members
from points import operations
from programme import queries as programme
from tests.factories import buy, identity, lot, member, plain, source, staff
from tests.factories.points import NOON

pytestmark = pytest.mark.django_db


def logged_in(of):
    client = Client()
    client.force_login(members.login_for(member_id=of.pk))
    return client


def text_of(response):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def figures(response):
    """The signed points of the lines, in the order of the page."""
    found = re.findall(r'class="line-points \w+">([^<]+)<', response.content.decode())
    return [int(figure.replace(",", "").replace("−", "-")) for figure in found]


class TestStatementPage:
    @pytest.fixture
    def who(self):
        plain()
        return identity()

    @pytest.fixture
    def client(self, who):
        from members.models import Member

        return logged_in(Member.objects.get(pk=who.id))

    def test_shows_all_kinds_newest_first_with_the_balance_after_each(self, client, who):
        buy(who, "2680.00", reference="R-1")
        operations.redeem(
            member=who, points=20, at=NOON, reference="X-1", source=source(), note="洗车 <b>"
        )

        response = client.get("/statement/")

        assert figures(response) == [-20, 268]
        text = response.content.decode()
        assert "余额 248" in text
        assert "洗车 &lt;b&gt;" in text
        assert "每消费 10 元得 1 分。" in text

    def test_pages_by_the_number_of_the_entry_without_counting(
        self, client, who, django_assert_num_queries
    ):
        for n in range(45):
            lot(who, n + 1)

        first = client.get("/statement/")
        older = re.search(r'href="\?([^"]+)"', first.content.decode())[1]
        with django_assert_num_queries(6):
            second = client.get(f"/statement/?{older}")
        last = client.get("/statement/?before=6")

        assert figures(first) == list(range(45, 25, -1))
        assert older == "before=26"
        assert figures(second) == list(range(25, 5, -1))
        assert figures(last) == [5, 4, 3, 2, 1]
        assert "已显示全部" in text_of(last)
        assert "回到最新" in text_of(last)

    @pytest.mark.parametrize("entries", [1, 20, 60])
    def test_costs_seven_queries_however_many_entries(
        self, client, who, entries, django_assert_num_queries
    ):
        for _ in range(entries):
            buy(who, "100")
        programme.forget_cached()

        # session, user with member; entries, programme, the first entry, account; unread messages
        with django_assert_num_queries(7):
            response = client.get("/statement/")
        assert len(figures(response)) == min(entries, 20)
        assert len(response.content) < 30_000

    def test_filters_by_kind(self, client, who):
        lot(who, 50)
        operations.redeem(member=who, points=20, at=NOON, reference="X-1", source=source())

        assert figures(client.get("/statement/?kind=REDEEM")) == [-20]
        assert figures(client.get("/statement/?kind=EARN")) == [50]
        assert figures(client.get("/statement/?kind=EXPIRE")) == []
        assert "没有符合条件的明细" in text_of(client.get("/statement/?kind=EXPIRE"))

    def test_filters_by_days_to_their_end_in_the_programmes_zone(self, client, who):
        at = NOON.replace(hour=16)  # midnight: 16 June in Shanghai
        lot(who, 1, at=at - timedelta(seconds=1))
        lot(who, 2, at=at)

        assert figures(client.get("/statement/?since=2026-06-16")) == [2]
        assert figures(client.get("/statement/?until=2026-06-15")) == [1]
        assert figures(client.get("/statement/?since=2026-06-15&until=2026-06-16")) == [2, 1]

    def test_a_filter_goes_on_to_the_next_page(self, client, who):
        for n in range(25):
            lot(who, n + 1)

        response = client.get("/statement/?kind=EARN&since=2026-01-01")

        links = re.findall(r'href="\?([^"]+)"', response.content.decode())
        assert links == ["kind=EARN&amp;since=2026-01-01&amp;before=6"]

    @pytest.mark.parametrize(
        "query",
        [
            "kind=NONSENSE",
            "kind=FORFEIT",
            "since=2026-02-30",
            "since=0001-01-01",
            "until=9999-12-31",
            "since=2026-06-30&until=2026-06-01",
            "before=0",
            "before=-1",
            "before=99999999999999999999",
            "before=1e3",
            "before=%00",
            "kind=%F0%A0%AE%B7",
            "on=2026-02-30",
            "on=9999-12-31",
            "on=%3D1%2B1",
        ],
    )
    def test_nonsense_in_the_address_is_no_failure(self, client, who, query):
        lot(who, 50)

        response = client.get(f"/statement/?{query}")

        assert response.status_code == 200
        assert figures(response) == [50]

    def test_days_in_the_wrong_order_are_told_so(self, client):
        response = client.get("/statement/?since=2026-06-30&until=2026-06-01")

        assert "结束日期早于开始日期" in text_of(response)

    def test_the_balance_on_a_day(self, client, who):
        lot(who, 50, at=NOON)
        operations.redeem(
            member=who, points=20, at=NOON + timedelta(days=10), reference="X-1", source=source()
        )

        def then(day):
            return text_of(client.get(f"/statement/?on={day}"))

        assert "2026年6月14日 日终，您有 0 积分" in then("2026-06-14")
        assert "2026年6月15日 日终，您有 50 积分" in then("2026-06-15")
        assert "2026年6月25日 日终，您有 30 积分" in then("2026-06-25")

    def test_the_balance_on_a_day_costs_one_query_more(
        self, client, who, django_assert_num_queries
    ):
        lot(who, 50)
        programme.forget_cached()

        with django_assert_num_queries(8):
            client.get("/statement/?on=2026-06-15")

    def test_a_late_line_says_when_it_was_entered(self, client, who):
        lot(who, 50, at=NOON - timedelta(days=10_000))  # before the member joined

        assert "补录" in text_of(client.get("/statement/"))

    def test_htmx_gets_the_list_alone(self, client, who):
        lot(who, 50)

        response = client.get("/statement/", headers={"HX-Request": "true"})

        assert figures(response) == [50]
        assert b"<html" not in response.content
        assert "HX-Request" in response["Vary"]

    def test_htmx_gets_the_whole_page_for_the_browsers_history(self, client, who):
        headers = {"HX-Request": "true", "HX-History-Restore-Request": "true"}

        assert b"<html" in client.get("/statement/", headers=headers).content

    def test_an_empty_statement_says_what_to_do(self, client):
        assert "还没有记录" in text_of(client.get("/statement/"))

    def test_shows_nobody_elses_entries(self, client, who):
        lot(identity(), 777)

        response = client.get(f"/statement/?member={who.id + 1}")

        assert figures(response) == []


class TestVisitors:
    def test_are_sent_to_the_login_and_back(self):
        response = Client().get("/statement/?kind=EARN")

        assert response["Location"] == "/login/?next=/statement/%3Fkind%3DEARN"

    def test_a_part_of_a_page_sends_the_whole_page_there(self):
        response = Client().get("/statement/", headers={"HX-Request": "true"})

        assert response.status_code == 200
        assert response["HX-Redirect"].startswith("/login/")


class TestWhatIsAside:
    """What waits and what is held is no part of the balance, and stands beside it."""

    @pytest.fixture
    def one(self):
        plain()
        return member()

    @pytest.fixture
    def client(self, one):
        client = logged_in(one)
        client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
        return client

    @pytest.fixture
    def aside(self, one):
        who = identity(one)
        operations.earn(
            member=who, points=100, at=NOON, expires_on=date(2099, 6, 30), reference="E",
            source=source(), pending=[operations.PendingLine("", 120, date(2099, 7, 3))],
        )  # fmt: skip
        operations.hold(
            member=who, points=60, at=NOON, until=datetime(2099, 1, 1, tzinfo=UTC),
            reference="H", source=source(),
        )  # fmt: skip

    @pytest.mark.usefixtures("aside")
    @pytest.mark.parametrize("path", ["/", "/statement/"])
    def test_stands_beside_the_balance(self, client, path):
        text = text_of(client.get(path))

        assert "120 points waiting, until July 3, 2099" in text
        assert "60 points set aside at a till until Jan. 1, 2099, 8 a.m." in text

    @pytest.mark.parametrize("path", ["/", "/statement/"])
    def test_is_not_mentioned_where_there_is_nothing(self, client, path):
        text = text_of(client.get(path))

        assert "waiting" not in text
        assert "set aside" not in text

    def test_a_page_of_all_there_is_costs_nine_queries(
        self, client, one, aside, django_assert_num_queries
    ):
        who, other = identity(one), identity()
        operations.transfer(
            giver=who, receiver=other, points=5, at=NOON, reference="T", source=source(), limits=[]
        )
        operations.merge_accounts(
            member=other, into=who, at=NOON, source=source(), by=staff(), note="same person"
        )
        operations.expire(low=who.id, high=who.id, on=date(2100, 1, 1))
        programme.forget_cached()

        # session, user with member, unread messages; programme; entries and those they name, what
        # waits, the other member, notices
        with django_assert_num_queries(9):
            response = client.get("/statement/")
        assert len(response.context["lines"]) == 5
