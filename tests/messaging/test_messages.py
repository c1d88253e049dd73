"""Saying something to members, and when the inbox counts as reached."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction

from members import operations as members
from members.queries import UnknownMember
from messaging import operations, queries, templates
from messaging.models import Delivery, Message
from tests.concurrency.racing import Racer, until_waiting
from tests.factories import member, message, staff
from tests.factories.messaging import LAPSING, LAST_DAY, PLURAL, to_send
from tests.factories.points import NOON

pytestmark = pytest.mark.django_db
LATER = NOON + timedelta(days=3)


def send_many(*messages, template=LAPSING, at=NOON):
    return operations.send_many(template=template, messages=messages, at=at)


def deliveries(of):
    rows = Delivery.objects.filter(message__member=of).order_by("pk")
    return list(rows.values_list("channel", "state", "sent_at", "retry_at"))


class TestSend:
    def test_keeps_variables_and_not_the_text(self):
        to = member()

        pk = operations.send(
            member_id=to.pk,
            template=LAPSING,
            key="lapsing:1",
            variables={"points": 1200, "last_day": LAST_DAY},
            at=NOON,
        )

        said = Message.objects.get()
        assert (said.pk, said.member_id, said.template, said.key) == (
            pk,
            to.pk,
            LAPSING,
            "lapsing:1",
        )
        assert said.variables == {"points": 1200, "last_day": "2026-12-31"}
        assert (said.created_at, said.delivered_at, said.read_at) == (NOON, NOON, None)

    def test_the_same_key_again_changes_nothing_and_gives_the_same_id(self):
        to = member(email="wang@example.com")
        first = send_many(to_send(to, "k", points=5))
        before = Message.objects.values().get(), list(Delivery.objects.values())

        again = send_many(to_send(to, "k", points=7), at=LATER)

        assert again == first
        assert (Message.objects.values().get(), list(Delivery.objects.values())) == before

    def test_old_and_new_together_give_the_ids_of_all(self):
        one, other = member(), member()
        old = send_many(to_send(one, "old"))

        ids = send_many(to_send(other, "new"), to_send(one, "old"))

        assert ids["old"] == old["old"]
        assert ids == dict(Message.objects.values_list("key", "pk"))

    def test_a_key_of_another_member_or_template_is_refused_and_nothing_is_said(self):
        one, other = member(), member()
        send_many(to_send(one, "k"))

        with pytest.raises(operations.KeyReused):
            send_many(to_send(other, "k"), to_send(other, "k2"))
        with pytest.raises(operations.KeyReused):
            operations.send(
                member_id=one.pk,
                template="tests.plural",
                key="k",
                variables={"points": 1, "worth": Decimal("1.00"), "store": "x"},
                at=NOON,
            )

        assert Message.objects.count() == 1

    def test_an_unknown_member_is_refused_and_nothing_is_said(self):
        stranger = to_send(member(), "k2")
        nobody = operations.ToSend(member_id=10**9, key="k", variables=stranger.variables)

        with pytest.raises(UnknownMember):
            send_many(stranger, nobody)

        assert not Message.objects.exists()

    def test_an_unknown_template_or_a_missing_variable_is_an_error_before_anything_is_said(self):
        to = member()
        with pytest.raises(templates.UnknownTemplate):
            send_many(to_send(to), template="tests.gone")
        with pytest.raises(templates.WrongVariables):
            send_many(to_send(to), template=PLURAL)

        assert not Message.objects.exists()

    def test_belongs_to_the_callers_transaction(self):
        to = member()
        with transaction.atomic():
            send_many(to_send(to))
            transaction.set_rollback(True)

        assert not Message.objects.exists()
        assert not Delivery.objects.exists()

    @pytest.mark.parametrize("count", [1, 60])
    def test_costs_one_statement_however_many(self, count, django_assert_num_queries):
        batch = [to_send(member(email="a@example.com")) for _ in range(count)]
        with django_assert_num_queries(3):  # between two savepoints
            send_many(*batch)
        with django_assert_num_queries(4):  # and a look at what was said before
            send_many(*batch)

        assert Message.objects.count() == count
        assert Delivery.objects.count() == 2 * count

    def test_nobody_is_no_statement_too_many(self):
        assert send_many() == {}


class TestChannels:
    def test_who_can_log_in_is_reached_in_the_inbox_at_once(self):
        to = member()

        send_many(to_send(to))

        assert deliveries(to) == [("IN_APP", "SENT", NOON, None)]

    def test_a_frozen_member_can_read(self):
        to = member()
        members.freeze(member_id=to.pk, by=staff(), reason="x")

        assert message(to).delivered_at == NOON

    def test_who_has_no_phone_is_not_reached(self):
        to = member(phone="")

        said = message(to)

        assert said.delivered_at is None
        assert deliveries(to) == [("IN_APP", "WAITING", None, None)]

    def test_who_is_not_activated_is_not_reached(self):
        assert message(member(active=False)).delivered_at is None

    def test_whose_membership_ended_is_not_reached_and_gets_no_email(self):
        to = member(email="wang@example.com")
        members.close(member_id=to.pk, closed_at=NOON, by=None, reason="wish")

        assert message(to).delivered_at is None
        assert deliveries(to) == [("IN_APP", "WAITING", None, None)]

    def test_an_email_waits_for_its_worker_from_the_time_it_was_said(self):
        to = member(phone="", email="wang@example.com")

        assert message(to).delivered_at is None
        assert deliveries(to) == [
            ("IN_APP", "WAITING", None, None),
            ("EMAIL", "WAITING", None, NOON),
        ]


class TestDeliverInApp:
    def everybody(self, at=LATER):
        return operations.deliver_in_app(low=0, high=10**9, at=at)

    def test_reaches_who_got_a_phone_or_was_activated_since(self):
        boss = staff()
        no_phone, not_active, still_not = member(phone=""), member(active=False), member(phone="")
        for to in (no_phone, not_active, still_not):
            message(to)
        members.update_profile(
            member_id=no_phone.pk, changes={"phone": "13700137000"}, at=NOON, by=boss, reason="x"
        )
        members.activate(member_id=not_active.pk, activated_at=NOON)

        assert self.everybody() == 2
        assert self.everybody() == 0

        for to in (no_phone, not_active):
            assert Message.objects.get(member=to).delivered_at == LATER
            assert deliveries(to) == [("IN_APP", "SENT", LATER, None)]
        assert Message.objects.get(member=still_not).delivered_at is None

    def test_only_members_of_its_range(self):
        one, other = member(active=False), member(active=False)
        for to in (one, other):
            message(to)
            members.activate(member_id=to.pk, activated_at=NOON)

        assert operations.deliver_in_app(low=one.pk, high=one.pk, at=LATER) == 1
        assert Message.objects.get(member=other).delivered_at is None

    def test_what_an_email_delivered_before_keeps_that_time(self):
        to = member(active=False)
        said = message(to)
        Message.objects.filter(pk=said.pk).update(delivered_at=NOON)
        members.activate(member_id=to.pk, activated_at=NOON)

        self.everybody()

        said.refresh_from_db()
        assert said.delivered_at == NOON

    def test_nothing_is_delivered_before_it_was_said(self):
        to = member(active=False)
        message(to, at=LATER)
        members.activate(member_id=to.pk, activated_at=NOON)

        self.everybody(at=NOON)

        assert Message.objects.get().delivered_at == LATER


class TestRead:
    def test_notes_when_and_keeps_the_first_time(self):
        said = message()
        for at in (LATER, LATER + timedelta(days=1)):
            operations.read(member_id=said.member_id, message_ids=[said.pk], at=at)

        said.refresh_from_db()
        assert (said.delivered_at, said.read_at) == (NOON, LATER)

    def test_to_read_is_to_be_reached(self):
        said = message(member(active=False))

        operations.read(member_id=said.member_id, message_ids=[said.pk], at=LATER)

        said.refresh_from_db()
        assert (said.delivered_at, said.read_at) == (LATER, LATER)
        assert deliveries(said.member) == [("IN_APP", "SENT", LATER, None)]

    def test_leaves_the_messages_of_others_alone(self):
        said, other = message(), message()

        operations.read(member_id=other.member_id, message_ids=[said.pk, other.pk], at=LATER)

        said.refresh_from_db()
        assert said.read_at is None
        assert queries.unread_count(said.member_id) == 1
        assert queries.unread_count(other.member_id) == 0


class TestTheDatabaseRefuses:
    def test_two_messages_of_one_key(self):
        said = message()
        with pytest.raises(IntegrityError, match="said_once"), transaction.atomic():
            Message.objects.create(member=said.member, template="x", key=said.key, created_at=NOON)

    def test_a_message_read_but_not_delivered(self):
        message(member(active=False))
        with pytest.raises(IntegrityError, match="read_was_delivered"), transaction.atomic():
            Message.objects.update(read_at=NOON)

    def test_two_deliveries_on_one_channel(self):
        said = message()
        with pytest.raises(IntegrityError, match="once_a_channel"), transaction.atomic():
            Delivery.objects.create(message=said, channel="IN_APP", state="WAITING")

    @pytest.mark.parametrize(
        ("change", "constraint"),
        [
            ({"sent_at": None}, "sent_has_a_time"),
            ({"state": "FAILED"}, "sent_has_a_time"),
            ({"state": "WAITING", "sent_at": None, "retry_at": NOON}, "waiting_has_its_turn"),
            ({"state": "WAITING", "sent_at": None, "channel": "EMAIL"}, "waiting_has_its_turn"),
        ],
    )
    def test_a_delivery_that_contradicts_itself(self, change, constraint):
        said = message()
        with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
            Delivery.objects.filter(message=said).update(**change)

    def test_to_let_the_application_forget_what_was_said(self):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT table_name, privilege_type FROM information_schema.role_table_grants"
                " WHERE table_name IN ('messaging_message', 'messaging_delivery')"
                " AND grantee = 'membership_app' ORDER BY 1, 2"
            )
            granted = cursor.fetchall()

        allowed = ("INSERT", "SELECT", "UPDATE")
        assert granted == [
            (table, right)
            for table in ("messaging_delivery", "messaging_message")
            for right in allowed
        ]


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_two_callers_with_one_key_say_it_once_and_both_learn_its_id(self):
        to = member(email="wang@example.com")

        second = Racer(lambda: send_many(to_send(to, "k")))
        with transaction.atomic():
            first = send_many(to_send(to, "k"))
            second.go()
            until_waiting(second)

        assert second.answer() == first
        assert Message.objects.count() == 1
        assert Delivery.objects.count() == 2

    def test_if_the_first_takes_it_back_the_second_says_it(self):
        to = member()

        second = Racer(lambda: send_many(to_send(to, "k")))
        with transaction.atomic():
            send_many(to_send(to, "k"))
            second.go()
            until_waiting(second)
            transaction.set_rollback(True)

        assert second.answer() == {"k": Message.objects.get().pk}

    def test_the_same_keys_in_another_order_do_not_deadlock(self):
        # Neither as they are given nor by member do the two come in the order of their keys.
        last, first = to_send(member(), "2"), to_send(member(), "1")

        second = Racer(lambda: send_many(last, first))
        with transaction.atomic():
            send_many(first)
            second.go()
            until_waiting(second)
            send_many(last)

        assert second.answer() == dict(Message.objects.values_list("key", "pk"))


def test_the_badge_counts_no_further_than_a_hundred(django_assert_num_queries):
    to = member()
    send_many(*(to_send(to) for _ in range(120)))

    with django_assert_num_queries(1):
        assert queries.unread_count(to.pk) == 100


def test_the_inbox_is_newest_first_and_goes_on_before_a_message():
    to = member()
    ids = [message(to).pk for _ in range(3)]
    message()

    assert [said.pk for said in queries.inbox(to.pk)] == ids[::-1]
    assert [said.pk for said in queries.inbox(to.pk, before=ids[1])] == [ids[0]]
