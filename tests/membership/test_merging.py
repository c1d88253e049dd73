"""Two members who are one person: joined in every room, and taken apart as if it had never been."""

import io
import json
import re
import zipfile
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.models import AuditRecord
from members import consents, nightly, operations, queries
from members.models import (
    Attribute,
    Consent,
    DataExport,
    EmailDirectory,
    ExternalNumber,
    Group,
    GroupMember,
    Member,
    Merge,
    MergePart,
    PhoneDirectory,
    Product,
    Replaced,
)
from members.operations import ProductFacts, TheOtherWayRound
from membership import accounts, merging
from messaging import operations as messaging
from messaging import queries as inbox
from messaging.models import Channel, ChoiceSource, Message, Purpose
from points import operations as points
from points import queries as ledger
from points.models import Account
from tests.factories import (
    agree,
    api_client,
    dealer,
    identity,
    lot,
    main_store,
    member,
    message,
    plain,
    staff,
)  # fmt: skip
from tests.till import Till, refused

pytestmark = pytest.mark.django_db

# When all this happens; what was earned before can be spent for long.
LAST_DAY = date(2099, 12, 31)
SMS = (Purpose.ACCOUNT, Channel.SMS)


@pytest.fixture(autouse=True)
def _rules():
    plain()


def merge(of, into, *, take=(), frees_phone=False, by=None, at=None):
    merging.merge(
        member_id=of.pk, into_id=into.pk, take=take, frees_phone=frees_phone,
        at=at or timezone.now(), by=by or staff(), reason="同一人",
    )  # fmt: skip


def unmerge(of, *, after_spending="refuse", at=None):
    told, _accounts = merging.unmerge(
        member_id=of.pk, after_spending=after_spending, at=at or timezone.now(), by=staff(),
        reason="两个人",
    )  # fmt: skip
    return told


def fresh(of):
    return Member.objects.get(pk=of.pk)


def spendable(of):
    return ledger.spendable_points(of.pk, on=timezone.localdate())


def own(of, identifier, *, until=None):
    bound = operations.add_product(
        member_id=of.pk, product=ProductFacts(identifier=identifier), bound_at=timezone.now()
    )
    if until:
        operations.end_ownership(
            product_id=bound.pk, member_id=of.pk, on=until, at=timezone.now(), by=None, reason=""
        )
    return bound


def owned(of):
    return sorted(Product.objects.filter(member=of).values_list("identifier", flat=True))


def tag(of, *names):
    operations.set_tags(
        member_id=of.pk, names=[*queries.tags_of(of.pk), *names], at=timezone.now(), by=staff(),
        reason="x",
    )  # fmt: skip


def tags(of):
    return list(queries.tags_of(of.pk))


def known_as(of, number, organization):
    ExternalNumber.objects.create(member=of, organization=organization, number=number)


def agrees(of, purpose="MARKETING"):
    return consents.has(of.pk, purpose)


def refuse_texts(of):
    messaging.choose(
        member_id=of.pk, wanted={SMS: False}, at=timezone.now(), source=ChoiceSource.PAGE
    )


def wants_texts(of):
    return inbox.choices(of.pk)[SMS]


class TestWhatMoves:
    def test_products_with_their_history(self):
        of, into = member(), member()
        own(of, "SOLD-1", until=timezone.localdate())
        own(of, "CAR-1")
        own(into, "CAR-2")

        merge(of, into)

        assert (owned(of), owned(into)) == ([], ["CAR-1", "CAR-2", "SOLD-1"])

    def test_tags_but_not_those_of_a_rule(self):
        of, into = member(), member()
        tag(of, "老客户", "试驾")
        tag(into, "试驾")
        by_rule = operations.tag_named("高频")
        operations.follow_rules(
            wanted={by_rule.pk: [of.pk]}, low=of.pk, high=of.pk, at=timezone.now()
        )

        merge(of, into)

        assert tags(into) == ["老客户", "试驾"]
        assert tags(of) == ["试驾", "高频"]

    def test_points_and_an_end_for_the_one_given_up(self):
        of, into = member(), member()
        lot(identity(of), 100, expires_on=LAST_DAY)

        merge(of, into)

        given_up = fresh(of)
        assert (spendable(of), spendable(into)) == (0, 100)
        assert (given_up.status, given_up.merged_into_id) == ("CLOSED", into.pk)
        assert not events_of("member.closed")

    def test_what_the_survivor_lacks_is_filled_in(self):
        of = member(city="上海", birthday=date(1990, 2, 28), email="a@example.com")
        into = member(name="王小明", city="")

        merge(of, into)

        now = fresh(into)
        assert (now.name, now.city, now.birthday, now.email) == (
            "王小明", "上海", date(1990, 2, 28), "a@example.com",
        )  # fmt: skip

    def test_where_both_have_a_value_the_survivors_stands_unless_staff_say_otherwise(self):
        Attribute.objects.create(code="shoes", names={"zh-hans": "鞋码"}, kind="NUMBER")
        of = member(name="王晓明", city="上海", attributes={"shoes": 42})
        into = member(name="王小明", city="北京", attributes={"shoes": 41})

        merge(of, into, take=["name", "attribute:shoes"])

        now = fresh(into)
        assert (now.name, now.city, now.attributes["shoes"]) == ("王晓明", "北京", 42)
        assert set(queries.search("晓明")) == {of, into}
        # What was there stands nowhere in the clear.
        with connection.cursor() as cursor:
            cursor.execute("SELECT string_agg(value, ' ') FROM members_replaced")
            assert "王小明" not in cursor.fetchone()[0]

    @pytest.mark.parametrize(
        ("theirs", "own_word", "holds"),
        [(True, None, True), (True, False, False), (False, True, False), (None, True, True)],
    )
    def test_of_yes_and_no_to_a_purpose_the_no_wins(self, theirs, own_word, holds):
        of, into = member(), member()
        for one, word in ((of, theirs), (into, own_word)):
            if word is not None:
                agree(one)
            if word is False:
                agree(one, is_given=False, at=timezone.now())

        merge(of, into)

        assert agrees(into) is holds
        added = Consent.objects.filter(member=into, channel="MERGE")
        assert added.count() == (theirs is not None and theirs is not own_word and holds is theirs)

    def test_a_refused_way_of_messages_stays_refused(self):
        of, into = member(), member()
        refuse_texts(of)

        merge(of, into)

        assert not wants_texts(into)

    def test_messages_not_read_yet(self):
        of, into = member(), member()
        unread = message(of)
        read = message(of)
        messaging.read(member_id=of.pk, message_ids=[read.pk], at=timezone.now())

        merge(of, into)

        assert unread.pk in inbox.inbox(into.pk).values_list("pk", flat=True)
        assert Message.objects.get(pk=read.pk).member_id == of.pk
        assert Message.objects.filter(member=into, template="account.joined").exists()

    def test_leaves_records_in_the_same_transaction(self):
        of, into, by = member(), member(), staff()

        merge(of, into, by=by)

        for action in ("member.merged", "points.merged"):
            record = AuditRecord.objects.get(action=action, target=of.number)
            assert (record.actor, record.reason, record.details["into"]) == (
                by, "同一人", into.number,
            )  # fmt: skip


def events_of(name):
    from common.models import OutboxEvent

    return list(OutboxEvent.objects.filter(name=name))


class TestNamesLead:
    """What a member is called by leads to who remains."""

    @pytest.fixture
    def store(self):
        return main_store()

    @pytest.fixture
    def till(self, store):
        return Till(api_client(store.organization))

    def purchase(self, of, store, reference="R-1", amount="1000.00"):
        return {"reference": reference, "member": of.number, "store": store.code, "amount": amount}

    def test_a_purchase_by_the_old_number_is_the_survivors(self, till, store):
        of, into = member(), member()
        merge(of, into)

        answer = till.send("purchases/", self.purchase(of, store))

        assert answer.status_code == 201
        assert answer.json()["member"] == into.number
        assert Account.objects.get(pk=into.pk).balance == 100
        assert Account.objects.get(pk=of.pk).balance == 0

    def test_a_repeat_of_an_old_purchase_is_a_repeat(self, till, store):
        of, into = member(), member()
        first = till.send("purchases/", self.purchase(of, store))
        merge(of, into)

        again = till.send("purchases/", self.purchase(of, store))

        assert (first.status_code, again.status_code) == (201, 200)
        assert Account.objects.get(pk=into.pk).balance == 100
        # Under the survivor's number it is another document.
        refused(till.send("purchases/", self.purchase(into, store)), 409, "reference_reused")
        # And what came in meanwhile is known again when they are two.
        till.send("purchases/", self.purchase(of, store, "R-2"))
        unmerge(of)
        assert till.send("purchases/", self.purchase(of, store, "R-2")).status_code == 200

    def test_a_return_of_an_old_purchase_is_taken_from_the_survivor(self, till, store):
        of, into = member(), member()
        till.send("purchases/", self.purchase(of, store))
        merge(of, into)

        answer = till.send("purchases/R-1/returns/", {"reference": "R-1-1", "amount": "400.00"})

        assert answer.status_code == 201
        assert Account.objects.get(pk=into.pk).balance == 60

    def test_redemptions_and_their_repeats(self, till, store):
        of, into = member(), member()
        lot(identity(of), 100, expires_on=LAST_DAY)
        document = {"reference": "X", "member": of.number, "store": store.code, "points": 30}
        assert till.send("redemptions/", document).status_code == 201
        merge(of, into)

        assert till.send("redemptions/", document).status_code == 200
        later = till.send("redemptions/", document | {"reference": "Y"})

        assert later.status_code == 201
        assert Account.objects.get(pk=into.pk).balance == 40
        undone = till.send("redemptions/X/cancellations/", {"reference": "X-1"})
        assert undone.status_code == 201
        assert Account.objects.get(pk=into.pk).balance == 70

    def test_looking_up_and_reading(self, till):
        of, into = member(), member()
        phone = of.phone
        merge(of, into)

        for asked in ({"number": of.number}, {"phone": phone}):
            assert till.send("members/lookup/", asked).json()["number"] == into.number
        assert till.ask(f"members/{of.number}/").json()["number"] == into.number
        lot(identity(into), 7, expires_on=LAST_DAY)
        assert till.ask(f"members/{of.number}/account/").json()["balance"] == 7

    def test_batches_and_files(self, till, store):
        of, into = member(), member()
        known_as(of, "C-1", store.organization)
        merge(of, into)

        lines = json.dumps({"type": "purchase"} | self.purchase(of, store)).encode()
        answer = till.send("batches/", lines, **{"Content-Type": "application/x-ndjson"})

        assert answer.json()["counts"]["posted"] == 1
        assert Account.objects.get(pk=into.pk).balance == 100
        for organization in (store.organization_id, None):
            found = queries.identify_in_file("C-1", organization_id=organization)
            assert (found.id, found.named_id) == (into.pk, of.pk)
        many = queries.identify_many_in_file(
            {"C-1", of.number, into.number}, organization_id=store.organization_id
        )
        assert {each.id for each in many.values()} == {into.pk}

    def test_a_dealer_that_enrolls_again_gets_who_remains(self, till, store):
        document = {
            "phone": "13912345678", "name": "王小明", "store": store.code, "activate": True,
            "external_number": "C-1",
        }  # fmt: skip
        number = till.send("members/", document).json()["number"]
        into = member()
        merge(Member.objects.get(number=number), into)

        again = till.send("members/", document)

        assert (again.status_code, again.json()["number"]) == (200, into.number)

    def test_over_several_joinings(self):
        a, b, c = member(), member(), member()
        merge(a, b)
        merge(b, c)

        assert queries.identify(a.number).id == c.pk
        assert queries.by_phone(a.phone).pk == c.pk
        assert queries.with_guests([c.pk]) == sorted([a.pk, b.pk, c.pk])
        assert queries.identify_many([a.number, b.number, c.number]) == {
            each.number: queries.Identity(c.pk, c.number, "ACTIVE", each.pk if each != c else None)
            for each in (a, b, c)
        }

    def test_known_numbers_cost_one_query(self, django_assert_num_queries):
        of = member()

        with django_assert_num_queries(1):
            queries.identify(of.number)


class TestLogin:
    def test_both_phones_open_the_one_membership(self):
        of, into = member(), member()
        merge(of, into)

        assert accounts.login_by_phone(of.phone).member.pk == into.pk
        assert accounts.login_by_phone(into.phone).member.pk == into.pk

    def test_a_confirmed_e_mail_leads_there_too(self):
        of, into = member(), member()
        operations.confirm_email(
            member_id=of.pk, email="of@example.com", replacing=b"", at=timezone.now()
        )
        merge(of, into)

        assert accounts.username_of("of@example.com") == into.number

    def test_an_open_session_of_the_one_given_up_ends(self):
        of, into = member(), member()
        browser = Client()
        browser.force_login(
            accounts.login_by_phone(of.phone), backend="membership.accounts.Backend"
        )
        assert browser.get(reverse("home")).status_code == 200

        merge(of, into)

        assert browser.get(reverse("home")).status_code == 302

    def test_the_second_phone_may_become_free(self):
        of, into = member(), member()
        merge(of, into, frees_phone=True)

        assert not queries.has_phone(of.phone)
        newcomer = member(phone=of.phone)
        assert queries.by_phone(of.phone) == newcomer

    def test_who_has_no_phone_gets_the_others(self):
        of, into = member(), member(phone="")
        merge(of, into)

        assert fresh(into).phone == of.phone
        assert PhoneDirectory.objects.get().member_id == into.pk

    def test_the_other_phone_may_be_the_right_one(self):
        of, into = member(), member()
        merge(of, into, take=["phone"])

        assert fresh(into).phone == of.phone
        assert PhoneDirectory.objects.get(member=into).pk == memory(queries.phone_index(of.phone))
        assert queries.by_phone(into.phone).pk == into.pk

    def test_the_survivor_may_take_the_second_phone_as_its_own(self):
        of, into = member(), member()
        merge(of, into)

        operations.change_own_phone(
            member_id=into.pk, phone=of.phone, at=timezone.now(), by=staff()
        )

        assert queries.by_phone(of.phone).pk == into.pk
        assert not queries.has_phone(into.phone)

    def test_the_end_of_the_membership_frees_both(self):
        of, into = member(), member()
        merge(of, into)

        operations.close(member_id=into.pk, closed_at=timezone.now(), by=None, reason="")

        assert not queries.has_phone(of.phone)
        assert not queries.has_phone(into.phone)


def memory(index):
    return PhoneDirectory.objects.get(pk=index).pk


class TestRefusals:
    def nothing_happened(self):
        assert not Merge.objects.exists()
        assert not MergePart.objects.exists()
        assert not ledger.Merge.objects.exists()

    def test_one_and_the_same(self):
        of = member()

        with pytest.raises(operations.SameMember):
            merge(of, of)
        self.nothing_happened()

    def test_who_was_given_up_already(self):
        a, b, c = member(), member(), member()
        merge(a, b)

        for one, other in ((a, c), (c, a)):
            with pytest.raises(queries.MemberMerged) as refusal:
                merge(one, other)
            assert refusal.value.details == {"number": a.number, "into": b.number}
        assert Merge.objects.count() == 1

    def test_who_has_left(self):
        of, into = member(), member()
        operations.close(member_id=into.pk, closed_at=timezone.now(), by=None, reason="")

        with pytest.raises(queries.MemberClosed):
            merge(of, into)
        self.nothing_happened()

    def test_an_active_member_is_not_given_up_for_one_who_waits(self):
        of, into = member(), member(active=False)

        with pytest.raises(TheOtherWayRound):
            merge(of, into)
        self.nothing_happened()

    def test_who_is_about_to_be_forgotten(self):
        of, into = member(), member()
        operations.request_erasure(member_id=of.pk, at=timezone.now(), by=staff())

        for one, other in ((of, into), (into, of)):
            with pytest.raises(operations.ErasureWaits):
                merge(one, other)
        self.nothing_happened()

    def test_points_a_till_holds(self):
        of, into = member(), member()
        lot(identity(of), 10, expires_on=LAST_DAY)
        points.hold(
            member=identity(of), points=5, at=timezone.now(),
            until=timezone.now() + timedelta(hours=1), reference="H", source=points.our_source(),
        )  # fmt: skip

        with pytest.raises(points.HoldsOpen):
            merge(of, into)

        self.nothing_happened()
        assert fresh(of).status == "ACTIVE"

    def test_who_was_given_up_is_erased_with_who_remains(self):
        of, into = member(), member()
        merge(of, into)

        with pytest.raises(queries.MemberMerged):
            operations.request_erasure(member_id=of.pk, at=timezone.now(), by=staff())


# Tables in which a merge leaves what can never be taken back: that it was, and words.
GROWS = {"members_historicalmember", "members_consent", "members_merge", "members_mergepart"}
# Found anew by the night.
DERIVED = {"members_fingerprint"}


def everything():
    """All rows of the tables of members and of what is said to them, but those that only grow."""
    found = {}
    with connection.cursor() as cursor:
        for table in sorted(connection.introspection.table_names(cursor)):
            if not table.startswith(("members_", "messaging_reader", "messaging_follower")):
                continue
            if table not in GROWS | DERIVED:
                cursor.execute(f'SELECT * FROM "{table}"')
                columns = [column.name for column in cursor.description]
                rows = [opened(table, dict(zip(columns, row, strict=True))) for row in cursor]
                found[table] = sorted(rows)
        cursor.execute("SELECT id, is_active, password FROM common_user WHERE NOT is_staff")
        found["logins"] = sorted(map(repr, cursor.fetchall()))
    return found


def opened(table, row):
    """Sealed twice, a value does not look the same."""
    from common.fields import unseal

    return repr(
        {
            name: unseal(value, column=f"{table}.{name}")
            if isinstance(value, str) and value.startswith("k1:")
            else bytes(value)
            if isinstance(value, memoryview)
            else value
            for name, value in row.items()
        }
    )


def test_a_household_is_left_first():
    of, into = member(), member()
    group = Group.objects.create(kind="FAMILY", name="王家", founded_at=timezone.now())
    GroupMember.objects.create(
        group=group, member=of, kind="FAMILY", role="OWNER", joined_at=timezone.now()
    )

    with pytest.raises(operations.StillInGroup):
        merge(of, into)
    merge(into, of)


class TestUnmerge:
    def test_gives_everything_back(self):
        organization = dealer()
        of = member(name="王晓明", city="上海", email="a@example.com")
        into = member(name="王小明", city="")
        own(of, "CAR-1")
        own(of, "SOLD-1", until=timezone.localdate())
        tag(of, "老客户")
        known_as(of, "C-1", organization)
        agree(into)
        agree(of)
        agree(of, is_given=False, at=timezone.now())
        refuse_texts(of)
        unread = message(of)
        lot(identity(of), 100, expires_on=LAST_DAY)
        accounts.login_by_phone(of.phone)
        before = everything()

        merge(of, into, take=["name", "phone", "email"], frees_phone=True)
        assert everything() != before
        told = unmerge(of)

        assert told.kept == {}
        assert everything() == before
        assert (spendable(of), spendable(into)) == (100, 0)
        assert (agrees(of), agrees(into)) == (False, True)
        assert (wants_texts(of), wants_texts(into)) == (False, True)
        assert Message.objects.get(pk=unread.pk).member_id == of.pk
        assert accounts.login_by_phone(of.phone).member.pk == of.pk
        assert queries.identify(of.number).id == of.pk
        assert AuditRecord.objects.filter(action="member.unmerged", target=of.number).exists()

    def test_tells_what_is_not_as_it_was(self):
        of = member(name="王晓明", city="上海")
        into, buyer = member(name="王小明", city=""), member()
        car = own(of, "CAR-1")
        tag(of, "老客户")
        agree(of)
        merge(of, into, take=["name"], frees_phone=True)
        operations.hand_over(
            product_id=car.pk, member_id=into.pk, to_id=buyer.pk, on=timezone.localdate(),
            at=timezone.now(), by=None, reason="",
        )  # fmt: skip
        operations.update_profile(
            member_id=into.pk, changes={"city": "苏州"}, at=timezone.now(), by=None, reason="x"
        )
        operations.set_tags(member_id=into.pk, names=[], at=timezone.now(), by=staff(), reason="x")
        agree(into, is_given=False, at=timezone.now())
        newcomer = member(phone=of.phone)

        told = unmerge(of)

        assert {kind: what for kind, what in told.kept.items() if kind != "tag"} == {
            "product": ["CAR-1"], "field": ["city"], "consent": ["MARKETING"], "phone": [of.number],
        }  # fmt: skip
        assert len(told.kept["tag"]) == 1
        assert owned(of) == ["CAR-1"]
        assert owned(buyer) == ["CAR-1"]
        now = fresh(into)
        assert (now.name, now.city) == ("王小明", "苏州")
        assert (agrees(of), agrees(into)) == (True, False)
        assert queries.by_phone(of.phone) == newcomer

    def test_goes_in_the_other_order_than_the_joinings(self):
        a, b, c = member(), member(), member()
        own(a, "CAR-A")
        merge(a, b)
        merge(b, c)

        with pytest.raises(queries.MemberMerged):
            unmerge(a)
        unmerge(b)
        assert owned(b) == ["CAR-A"]
        unmerge(a)

        assert (owned(a), owned(b), owned(c)) == (["CAR-A"], [], [])

    def test_twice_is_refused(self):
        of, into = member(), member()
        merge(of, into)
        unmerge(of)

        with pytest.raises(operations.NotMerged):
            unmerge(of)

    def test_and_joined_again(self):
        of, into = member(city="上海"), member(city="")
        own(of, "CAR-1")
        for _nth in range(2):
            merge(of, into)
            assert (owned(into), fresh(into).city) == (["CAR-1"], "上海")
            unmerge(of)
            assert (owned(into), fresh(into).city) == ([], "")

    def test_spent_points_refuse_all_of_it(self):
        of, into = member(city="上海"), member(city="")
        lot(identity(of), 100, expires_on=LAST_DAY)
        merge(of, into)
        points.redeem(
            member=identity(into), points=30, at=timezone.now(), reference="X",
            source=points.our_source(),
        )  # fmt: skip

        with pytest.raises(points.MergedPointsSpent):
            unmerge(of)

        assert fresh(of).merged_into_id == into.pk
        assert fresh(into).city == "上海"
        unmerge(of, after_spending="write_off")
        assert fresh(into).city == ""

    def test_a_status_of_before_comes_back(self):
        of, into = member(active=False), member()
        merge(of, into)
        unmerge(of)
        assert fresh(of).status == "PRE_REGISTERED"


SOMEBODY = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["", "王小明", "𠮷田"]),
        "city": st.sampled_from(["", "上海"]),
        "email": st.sampled_from(["", "x@example.com", "y@example.com"]),
        "birthday": st.sampled_from([None, date(1992, 2, 29)]),
        "has_phone": st.booleans(),
        "proves_email": st.booleans(),
        "logs_in": st.booleans(),
        "tags": st.sets(st.sampled_from(["甲", "乙"])),
        "products": st.integers(0, 2),
        "says": st.sampled_from([None, True, False]),
        "attribute": st.sampled_from([None, "S", "L"]),
    }
)


def somebody(told, letter):
    given_phone = {} if told["has_phone"] else {"phone": ""}
    of = member(
        name=told["name"], city=told["city"], email=told["email"], birthday=told["birthday"],
        attributes={"size": told["attribute"]} if told["attribute"] else {}, **given_phone,
    )  # fmt: skip
    email = told["email"]
    taken = email and EmailDirectory.objects.filter(pk=queries.email_index(email)).exists()
    if email and told["proves_email"] and not taken:
        operations.confirm_email(
            member_id=of.pk, email=email, replacing=b"", at=datetime(2026, 1, 1, tzinfo=UTC)
        )
    if told["logs_in"]:
        operations.login_for(member_id=of.pk)
    tag(of, *told["tags"])
    for nth in range(told["products"]):
        own(of, f"CAR-{letter}{nth}", until=timezone.localdate() if nth else None)
    if told["says"] is not None:
        agree(of)
        if not told["says"]:
            agree(of, is_given=False, at=datetime(2026, 1, 1, tzinfo=UTC))
    return of


@settings(
    max_examples=10, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(
    one=SOMEBODY,
    other=SOMEBODY,
    take=st.sets(st.sampled_from(["name", "phone", "email", "city", "attribute:size"])),
    frees=st.booleans(),
)
def test_joined_and_taken_apart_nothing_is_left_of_it(one, other, take, frees):
    from django.db import transaction

    with transaction.atomic():
        Attribute.objects.create(code="size", names={"zh-hans": "尺码"}, kind="TEXT")
        of, into = somebody(one, "A"), somebody(other, "B")
        before, words = everything(), (agrees(of), agrees(into))

        merge(of, into, take=take, frees_phone=frees)

        if fresh(into).phone:
            assert queries.by_phone(fresh(into).phone).pk == into.pk
        assert unmerge(of).kept == {}
        assert everything() == before
        assert (agrees(of), agrees(into)) == words
        transaction.set_rollback(True)


class TestPrivacy:
    def test_erasing_who_remains_forgets_who_was_given_up(self):
        of = member(name="诸葛孔明", phone="+8613912345678", email="kongming@example.com")
        into = member(name="孔明")
        own(of, "LSVAM4187C2184841")
        login = accounts.login_by_phone(of.phone)
        merge(of, into, take=["name"])
        day = timezone.localdate()
        operations.request_erasure(member_id=into.pk, at=timezone.now(), by=staff())

        nightly.erase_due(day=day + timedelta(days=40))

        for each in (fresh(of), fresh(into)):
            assert (each.name, each.phone, each.email) == ("", "", "")
        assert not Replaced.objects.exists()
        assert not PhoneDirectory.objects.exists()
        login.refresh_from_db()
        assert not login.is_active
        proof = nightly.check_erasures(day=day)
        assert proof["left"] == 0
        Member.objects.filter(pk=of.pk).update(name="诸葛孔明")
        assert nightly.check_erasures(day=day)["left"] == 1
        with pytest.raises(operations.AlreadyErased):
            unmerge(of)

    def test_a_copy_of_the_data_holds_who_was_given_up(self):
        of, into = member(name="诸葛孔明"), member(name="孔明")
        merge(of, into)
        export = operations.request_export(
            member_id=into.pk, language="zh-hans", at=timezone.now(), by=staff()
        )

        operations.make_export(export_id=export.pk, at=timezone.now())

        packed = operations.fetch_export(
            export_id=DataExport.objects.get().pk, member_id=into.pk, at=timezone.now(), by=staff()
        )
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            data = json.loads(archive.read("data.json"))
            page = archive.read("index.html").decode()
        assert data["members.identity"]["number"] == into.number
        [joined] = data["joined"]
        assert (joined["number"], joined["members.identity"]["name"]) == (of.number, "诸葛孔明")
        assert "诸葛孔明" in page


def text_of(response) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


class TestPages:
    def send(self, client, action, of, **fields):
        address = reverse(f"admin:member-{action}", args=[of.number])
        reference = client.get(address).context["form"]["reference"].value()
        return client.post(
            address, {"reason": "顾客来电", "reference": reference, **fields}, follow=True
        )

    def test_both_stand_beside_each_other_before_anything_happens(self, at_work):
        care = at_work("customer care")
        of = member(name="王晓明", phone="+8613912345678", city="上海", email="wang@example.com")
        into = member(name="王小明", phone="+8613812345679")
        own(of, "CAR-1")
        agree(of)
        lot(identity(of), 105, expires_on=LAST_DAY)

        page = self.send(care, "merge", of, other=into.number)

        comparison = page.context["comparison"]
        lines = {each.name: (each.own, each.theirs, each.is_open) for each in comparison.lines}
        assert lines == {
            "name": ("王小明", "王晓明", True),
            "phone": ("138****5679", "139****5678", True),
            "email": ("–", "w***@example.com", False),
            "city": ("–", "上海", False),
        }
        told = {str(label): value for label, value in comparison.moves}
        assert (told["Can be spent"], told["Products"]) == ("105", "CAR-1")
        assert told["Consents"] == "Offers and news: Yes"
        assert comparison.second_phone == "139****5678"
        assert not Merge.objects.exists()

        done = self.send(
            care, "merge", of, other=into.number, confirmed="1",
            **{"keep-name": "theirs", "keep-phone": "own", "phone": "leads"},
        )  # fmt: skip

        assert f"{of.number} was joined with {into.number}." in text_of(done)
        assert fresh(into).name == "王晓明"
        assert fresh(into).phone == "+8613812345679"
        assert queries.by_phone("13912345678").pk == into.pk

    def test_the_page_of_who_was_given_up_says_so_and_undoes_it(self, at_work):
        care = at_work("customer care")
        of, into = member(city="上海"), member(city="")
        merge(of, into)
        operations.update_profile(
            member_id=into.pk, changes={"city": "苏州"}, at=timezone.now(), by=None, reason="x"
        )

        page = care.get(reverse("admin:member", args=[of.number]))
        assert f"joined with {into.number}" in text_of(page)
        assert reverse("admin:member-unmerge", args=[of.number]) in page.content.decode()
        other = care.get(reverse("admin:member", args=[into.number]))
        assert f"Joined with this member: {of.number}" in text_of(other)
        found = care.get(reverse("admin:members_member_changelist"), {"q": of.phone})
        assert f"joined with {into.number}" in text_of(found)

        done = self.send(care, "unmerge", of, after_spending="refuse", confirmed="1")

        said = text_of(done)
        assert "The members are two again." in said
        assert f"left as it is with {into.number}: City." in said
        assert fresh(of).status == "ACTIVE"

    @pytest.mark.parametrize("role", ["finance", "campaign manager", "auditor", "store clerk"])
    def test_others_may_not(self, at_work, role):
        of = member()

        for action in ("merge", "unmerge"):
            answer = at_work(role).get(reverse(f"admin:member-{action}", args=[of.number]))
            assert answer.status_code == 403

    @pytest.mark.parametrize("confirmed", [{}, {"confirmed": "1"}])
    def test_refusals_are_shown_in_the_form(self, at_work, confirmed):
        care = at_work("customer care")
        of, into = member(), member()
        merge(of, into)

        answer = self.send(care, "merge", of, other=member().number, **confirmed)

        assert "was joined with" in text_of(answer)
        assert Merge.objects.count() == 1

    def test_what_cannot_be_seen_in_full_is_hidden_in_the_comparison_too(self, at_work):
        Attribute.objects.create(
            code="salary",
            names={"zh-hans": "收入", "en": "Income"},
            kind="NUMBER",
            is_personal=True,
        )
        of, into = member(attributes={"salary": 100}), member(attributes={"salary": 200})
        user = staff(is_superuser=False)
        from django.contrib.auth.models import Permission

        user.user_permissions.set(
            Permission.objects.filter(codename__in=["merge_accounts", "view_member"])
        )
        client = Client(headers={"Accept-Language": "en"})
        client.force_login(user)

        page = self.send(client, "merge", of, other=into.number)

        [line] = [each for each in page.context["comparison"].lines if "salary" in each.name]
        assert (line.theirs, line.own, line.is_open) == ("***", "***", True)
