"""Enrolling and finding members over REST."""

from datetime import timedelta

import pytest
from django.utils import timezone

from common.models import AuditRecord
from members import cards, operations
from members.models import Attribute, ExternalNumber, Member, Product
from tests import factories
from tests.till import Till, refused, wrong_places

pytestmark = pytest.mark.django_db

WANG = {"phone": "138 0013 8000", "name": "王小明", "store": "S1", "activate": True}


@pytest.fixture
def store():
    return factories.store(code="S1")


@pytest.fixture
def till(store):
    return Till(factories.api_client(store.organization))


class TestEnroll:
    def test_makes_an_active_member_and_shows_no_more_than_a_clerk_needs(self, till, store):
        answer = till.send("members/", WANG)

        assert answer.status_code == 201
        member = Member.objects.get()
        document = answer.json()
        assert document == {
            "number": member.number,
            "status": "ACTIVE",
            "name": "王**",
            "phone": "138****8000",
            "joined_at": document["joined_at"],
            "activated_at": document["joined_at"],
        }
        assert (member.phone, member.enrolling_store) == ("+8613800138000", store)

    def test_attributes_are_told_by_code(self, till):
        answer = till.send("members/", WANG | {"attributes": {"interests": ["food"]}})

        assert answer.status_code == 201
        assert Member.objects.get().attributes == {"interests": ["food"]}

    def test_a_number_is_told_with_its_decimals(self, till):
        Attribute.objects.create(code="mileage", names={"zh-hans": "里程"}, kind="NUMBER")

        answer = till.send("members/", WANG | {"attributes": {"mileage": 12.25}})

        assert answer.status_code == 201
        assert Member.objects.get().attributes == {"mileage": 12.25}

    @pytest.mark.parametrize(
        ("attributes", "code"),
        [
            ({"interests": "food"}, "invalid_attribute"),
            ({"interests": ["gambling"]}, "invalid_attribute"),
            ({"nobody": 1}, "unknown_attribute"),
            ({"interests": {"food": 1}}, "invalid"),
            ({"": 1}, "invalid"),
            ([], "invalid"),
            ({f"a{n}": 1 for n in range(51)}, "invalid"),
        ],
    )
    def test_attributes_that_are_none_are_refused(self, till, attributes, code):
        answer = till.send("members/", WANG | {"attributes": attributes})

        assert (answer.status_code, answer.json()["code"]) == (422, code)
        assert not Member.objects.exists()

    def test_pre_registers(self, till):
        answer = till.send("members/", WANG | {"activate": False})

        assert answer.status_code == 201
        assert (answer.json()["status"], answer.json()["activated_at"]) == ("PRE_REGISTERED", None)

    def test_keeps_all_that_is_told(self, till, store):
        till.send(
            "members/",
            WANG
            | {
                "name": "𠮷㑇😀",
                "email": "a.b+c@example.com.cn",
                "sex": "FEMALE",
                "birthday": "1996-02-29",
                "province": "上海",
                "city": "上海",
                "product": {
                    "identifier": "lsvam4187c2184841",
                    "name": "朗逸",
                    "purchased_on": "2024-02-29",
                },
                "external_number": "C-1",
            },
        )

        member = Member.objects.get()
        assert (member.name, member.email, member.sex) == (
            "𠮷㑇😀",
            "a.b+c@example.com.cn",
            "FEMALE",
        )
        assert (member.birthday.isoformat(), member.city) == ("1996-02-29", "上海")
        product = Product.objects.get()
        assert (product.identifier, product.selling_organization) == (
            "LSVAM4187C2184841",
            store.organization,
        )
        assert ExternalNumber.objects.get().number == "C-1"

    def test_with_the_callers_number_a_repeat_finds_the_first(self, till):
        document = WANG | {"external_number": "C-1", "product": {"identifier": "VIN1"}}

        first = till.send("members/", document)
        again = till.send("members/", document | {"phone": "+8613800138000"})

        assert (first.status_code, again.status_code) == (201, 200)
        assert again.content == first.content
        assert Member.objects.count() == AuditRecord.objects.count() == 1

    def test_the_callers_number_of_someone_else_is_refused(self, till):
        till.send("members/", WANG | {"external_number": "C-1"})

        other = WANG | {"external_number": "C-1", "phone": "13800138001"}
        refused(till.send("members/", other), 409, "external_number_taken")

        assert Member.objects.count() == 1

    def test_another_organization_may_have_the_same_number(self, till):
        till.send("members/", WANG | {"external_number": "C-1"})
        other = factories.store(code="S2")

        answer = Till(factories.api_client(other.organization)).send(
            "members/",
            WANG | {"external_number": "C-1", "phone": "13800138001", "store": "S2"},
        )

        assert answer.status_code == 201

    @pytest.mark.parametrize(
        ("change", "status", "code"),
        [
            ({}, 409, "phone_taken"),
            ({"phone": "+86 13800138000"}, 409, "phone_taken"),
            ({"phone": "13800138001", "product": {"identifier": "vin1"}}, 409, "product_taken"),
            ({"phone": "12345"}, 422, "invalid_phone"),
            ({"phone": "13800138001", "store": "S9"}, 422, "unknown_store"),
            ({"phone": "13800138001", "birthday": "2199-01-01"}, 422, "birthday_out_of_range"),
        ],
    )
    def test_what_cannot_be_is_refused_and_nothing_written(self, till, change, status, code):
        till.send("members/", WANG | {"product": {"identifier": "VIN1"}})

        refused(till.send("members/", WANG | change), status, code)

        assert Member.objects.count() == AuditRecord.objects.count() == 1

    @pytest.mark.parametrize(
        ("field", "value", "code"),
        [
            ("phone", 13800138000, "wrong_type"),
            ("phone", "138-0013-8000x", "wrong_format"),
            ("name", "", "too_short"),
            ("name", " 王", "wrong_format"),
            ("name", "王\u202e明", "wrong_format"),
            ("name", "王" * 101, "too_long"),
            ("name", None, "null"),
            ("activate", "true", "wrong_type"),
            ("activate", 1, "wrong_type"),
            ("email", "a@b", "wrong_format"),
            ("sex", "female", "unknown_choice"),
            ("birthday", "1995-02-29", "wrong_format"),
            ("birthday", "0000-01-01", "date_out_of_range"),
            ("birthday", "19960229", "wrong_format"),
            ("product", "VIN1", "wrong_type"),
            ("status", "ACTIVE", "unknown_field"),
        ],
    )
    def test_a_wrong_field_is_pointed_at(self, till, field, value, code):
        problem = refused(till.send("members/", WANG | {field: value}), 422, "invalid")

        assert wrong_places(problem) == {(f"/{field}", code)}
        assert not Member.objects.exists()

    def test_a_formula_is_a_name_like_any_other(self, till):
        """It is made harmless where a spreadsheet is written, not where it is read."""
        assert till.send("members/", WANG | {"name": "=1+1"}).json()["name"] == "=**"


class TestFind:
    @pytest.fixture
    def wang(self, till):
        return till.send("members/", WANG | {"product": {"identifier": "VIN1"}}).json()

    def test_by_number(self, till, wang):
        assert till.ask(f"members/{wang['number']}/").json() == wang

    @pytest.mark.parametrize(
        "by",
        [
            {"phone": "13800138000"},
            {"phone": "+86 138 0013 8000"},
            {"product": "vin1"},
            {"number": "<number>"},
        ],
    )
    def test_by_any_of_three(self, till, wang, by):
        by = {name: wang["number"] if value == "<number>" else value for name, value in by.items()}

        answer = till.send("members/lookup/", by)

        assert (answer.status_code, answer.json()) == (200, wang)

    def test_by_the_code_on_the_card_while_it_is_good(self, till, wang):
        now = timezone.now()
        code = cards.code(Member.objects.get().pk, at=now - cards.GOOD_FOR + timedelta(seconds=30))

        for scanned in (code, code.lower()):
            answer = till.send("members/lookup/", {"card": scanned})
            assert (answer.status_code, answer.json()) == (200, wang)

    def test_a_card_that_is_out_of_date_finds_nobody_however_often(self, till, wang):
        code = cards.code(Member.objects.get().pk, at=timezone.now() - cards.GOOD_FOR)

        for _ in range(2):
            refused(till.send("members/lookup/", {"card": code}), 409, "card_expired")

    def test_a_forged_card_finds_nobody(self, till, wang):
        code = cards.code(Member.objects.get().pk, at=timezone.now())
        forged = code[:-1] + ("A" if code[-1] != "A" else "B")

        for text in (forged, code[:-1], "MC1", wang["number"]):
            refused(till.send("members/lookup/", {"card": text}), 422, "invalid_card")

    def test_the_card_of_who_has_left_finds_nobody(self, till, wang):
        member = Member.objects.get()
        code = cards.code(member.pk, at=timezone.now())
        operations.close(
            member_id=member.pk, closed_at=timezone.now(), by=factories.staff(), reason="wish"
        )

        refused(till.send("members/lookup/", {"card": code}), 404, "unknown_member")

    def test_a_card_needs_the_scope_as_a_phone_does(self, store, wang):
        other = Till(factories.api_client(store.organization, scopes=["points:read"]))
        code = cards.code(Member.objects.get().pk, at=timezone.now())

        assert other.send("members/lookup/", {"card": code}).status_code == 403

    @pytest.mark.parametrize(
        "by", [{"phone": "13800138001"}, {"product": "VIN2"}, {"number": "M9999999998"}]
    )
    def test_nobody_is_not_found(self, till, wang, by):
        refused(till.send("members/lookup/", by), 404, "unknown_member")

    @pytest.mark.parametrize("by", [{}, {"phone": "13800138000", "product": "VIN1"}])
    def test_takes_exactly_one(self, till, by):
        problem = refused(till.send("members/lookup/", by), 422, "invalid")

        assert wrong_places(problem) == {("", "exactly_one")}

    @pytest.mark.parametrize("number", ["M0000000017", "M9999999998", "1", "M%00", "🙂"])
    def test_a_number_nobody_has_is_not_found(self, till, number):
        refused(till.ask(f"members/{number}/"), 404, "unknown_member")

    def test_who_has_left_is_not_found_by_phone(self, till, wang):
        member = Member.objects.get()
        operations.close(
            member_id=member.pk,
            closed_at=member.joined_at,
            by=factories.staff(),
            reason="wish",
        )

        refused(till.send("members/lookup/", {"phone": "13800138000"}), 404, "unknown_member")
        assert till.ask(f"members/{wang['number']}/").json()["status"] == "CLOSED"

    def test_never_shows_a_whole_phone_or_name(self, till, wang):
        answers = [
            till.ask(f"members/{wang['number']}/"),
            till.send("members/lookup/", {"phone": "13800138000"}),
        ]

        for answer in answers:
            assert "13800138000" not in answer.content.decode()
            assert "小明" not in answer.content.decode()
