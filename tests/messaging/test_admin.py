"""Staff see what was said, and have tried again what did not arrive."""

import re

import pytest
from django.urls import reverse

from common.models import AuditRecord
from messaging.models import Delivery, Message
from tests.factories import member, message

pytestmark = pytest.mark.django_db


def text_of(response):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def failed(*, state="DEAD", error="550 no", **options):
    said = message(member(email="wang@example.com"), **options)
    delivery = Delivery.objects.filter(message=said, channel="EMAIL")
    delivery.update(state=state, error=error, attempts=12, retry_at=None)
    return delivery.get()


class TestMemberPage:
    def open(self, client, of, query=""):
        return client.get(reverse("admin:member-messages", args=[of.number]) + query)

    def test_tells_what_was_said_by_which_channel_with_which_result(self, boss):
        delivery = failed(points=1234)

        text = text_of(self.open(boss, delivery.message.member))

        assert "1,234 points expire soon" in text
        assert "Last day: Dec. 31, 2026." in text
        assert re.search(r"Inbox Delivered \S+", text)
        assert "E-mail Given up 550 no" in text
        assert delivery.message.key in text

    def test_what_we_know_ourselves_is_told_in_words(self, boss):
        delivery = failed(error="no_address")

        assert "has no address for it any more" in text_of(self.open(boss, delivery.message.member))

    def test_shows_nothing_of_others(self, boss):
        message(points=777)

        text = text_of(self.open(boss, member()))

        assert "777" not in text
        assert "Nothing was said to this member yet." in text

    def test_asks_the_same_few_queries_however_many_there_are(
        self,
        boss,
        django_assert_num_queries,
    ):
        of = member(email="wang@example.com")
        self.open(boss, of)
        for count in (1, 60):
            for _ in range(count):
                message(of)
            # session, user, what waits for approval; member; messages, deliveries, wordings
            with django_assert_num_queries(7):
                self.open(boss, of)

    def test_goes_on_to_older_ones(self, boss, many_before):
        of = member()
        for n in range(52):
            message(of, points=n + 1)

        first = self.open(boss, of)
        older = self.open(boss, of, re.search(r'href="(\?before=\d+)"', first.content.decode())[1])

        assert first.content.decode().count("c-strong") == 50
        assert older.content.decode().count("c-strong") == 2
        assert first.content != older.content

    def test_to_look_at_it_is_not_to_read_it(self, boss):
        said = message()

        self.open(boss, said.member)

        assert Message.objects.get().read_at is None


class TestFailedDeliveries:
    page = property(lambda self: reverse("admin:messaging_delivery_changelist"))

    def try_again(self, client, *deliveries):
        return client.post(
            self.page,
            {"action": "try_again", "_selected_action": [one.pk for one in deliveries]},
        )

    def test_lists_what_did_not_arrive_and_nothing_else(self, boss):
        refused, given_up = failed(state="FAILED", error="550 gone"), failed()
        message(member(email="ok@example.com"))
        message(member(active=False))

        response = boss.get(self.page)

        assert [one.pk for one in response.context["cl"].result_list] == [given_up.pk, refused.pk]
        assert "550 gone" in text_of(response)
        assert "wang@example.com" not in response.content.decode()

    def test_is_searched_by_member(self, boss):
        failed()
        sought = failed()

        response = boss.get(self.page, {"q": sought.message.member.number})

        assert [one.pk for one in response.context["cl"].result_list] == [sought.pk]

    @pytest.mark.parametrize("role", ["administrator", "customer care"])
    def test_has_them_tried_again_with_a_record(self, at_work, role):
        client = at_work(role)
        one, other, left = failed(), failed(), failed()

        response = self.try_again(client, one, other)

        assert response.status_code == 302
        waiting = Delivery.objects.filter(channel="EMAIL", state="WAITING")
        assert {each.pk for each in waiting} == {one.pk, other.pk}
        left.refresh_from_db()
        assert left.state == "DEAD"
        records = AuditRecord.objects.filter(action="delivery.retried", actor=client.user)
        assert records.count() == 2

    def test_who_may_only_look_cannot(self, at_work):
        delivery = failed()
        client = at_work("auditor")

        assert "try_again" not in client.get(self.page).content.decode()
        self.try_again(client, delivery)

        delivery.refresh_from_db()
        assert delivery.state == "DEAD"
        assert not AuditRecord.objects.filter(action="delivery.retried").exists()
