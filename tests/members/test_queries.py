"""Finding who belongs."""

from datetime import date

import pytest

from members import names, operations, queries
from members.models import Member, Product
from members.operations._directory import list_external
from members.queries import UnknownMember
from tests.factories import dealer, member
from tests.factories.points import NOON

pytestmark = pytest.mark.django_db

VIN = "LSVAA49J132047371"


class TestIdentify:
    def test_by_number_in_one_query(self, django_assert_num_queries):
        of = member()

        with django_assert_num_queries(1):
            found = queries.identify(of.number)

        assert found == queries.Identity(of.pk, of.number, "ACTIVE")

    @pytest.mark.parametrize("number", ["", "M0000000001", "M9999999999", "m0000000018", "\x00"])
    def test_nobody(self, number):
        with pytest.raises(UnknownMember):
            queries.identify(number)

    def test_a_mistyped_number_costs_no_query(self, django_assert_num_queries):
        with django_assert_num_queries(0), pytest.raises(UnknownMember):
            queries.identify("M0000000011")


class TestInFile:
    def test_by_the_organizations_own_number(self):
        ours, theirs = dealer(), dealer()
        mine, other = member(), member()
        list_external(mine, ours.pk, "00004")
        list_external(other, theirs.pk, "00004")

        assert queries.identify_in_file("00004", organization_id=ours.pk).id == mine.pk
        assert queries.identify_in_file(mine.number, organization_id=ours.pk).id == mine.pk
        # Whose number it is nobody said, and two have it.
        with pytest.raises(UnknownMember):
            queries.identify_in_file("00004", organization_id=None)

    def test_many_in_two_queries(self, django_assert_num_queries):
        ours = dealer()
        members = [member() for _ in range(3)]
        list_external(members[0], ours.pk, "00004")
        asked = {"00004", members[1].number, "00005", "M0000000011"}

        with django_assert_num_queries(2):
            found = queries.identify_many_in_file(asked, organization_id=ours.pk)

        assert {number: one.id for number, one in found.items()} == {
            "00004": members[0].pk,
            members[1].number: members[1].pk,
        }


class TestByPhoneAndProduct:
    def test_a_phone_however_it_is_written(self):
        of = member(phone="13812345678")

        assert queries.by_phone("+86 138 1234 5678") == of
        with pytest.raises(UnknownMember):
            queries.by_phone("13812345679")

    def test_a_product_of_its_owner_of_today(self):
        of = member()
        operations.add_product(
            member_id=of.pk, product=operations.ProductFacts(identifier=VIN), bound_at=NOON
        )

        assert queries.by_product(VIN.lower()) == of
        Product.objects.update(owned_until=date(2026, 1, 1))
        with pytest.raises(UnknownMember):
            queries.by_product(VIN)

    def test_who_left_is_not_found_by_phone(self):
        of = member(phone="13812345678")
        operations.close(member_id=of.pk, closed_at=NOON, by=None, reason="")

        with pytest.raises(UnknownMember):
            queries.by_phone("13812345678")


class TestSearch:
    def found(self, text):
        return set(queries.search(text))

    @pytest.fixture
    def people(self):
        people = {
            "wang": member(name="王小明", phone="13812345678"),
            "rare": member(name="𠮷㑇丽"),
            "anna": member(name="Anna O'Neil"),
            "percent": member(name="百%分_之"),
        }
        operations.add_product(
            member_id=people["wang"].pk,
            product=operations.ProductFacts(identifier=VIN),
            bound_at=NOON,
        )
        return people

    @pytest.mark.parametrize(
        ("text", "who"),
        [
            ("王小明", "wang"),
            ("小明", "wang"),
            ("明", "wang"),
            (" 王小 ", "wang"),
            ("13812345678", "wang"),
            ("138 1234 5678", "wang"),
            (VIN, "wang"),
            (VIN.lower(), "wang"),
            ("𠮷", "rare"),
            ("𠮷㑇", "rare"),
            ("ANNA", "anna"),
            ("o'n", "anna"),
            ("%", "percent"),
            ("_之", "percent"),
            ("wangxiaoming", "wang"),
            ("Wang Xiao", "wang"),
            ("xiaom", "wang"),
            ("Wáng", "wang"),
            ("wxm", "wang"),
            ("XM", "wang"),
            ("kichi zhou", "rare"),
            ("oneil", "anna"),
            ("5678", "wang"),
            ("５６７８", "wang"),
            ("5678 王", "wang"),
            ("小明 5678", "wang"),
            ("wang 5678", "wang"),
        ],
    )
    def test_each_kind_of_question(self, people, text, who):
        assert self.found(text) == {people[who]}

    def test_the_number_in_either_case(self, people):
        number = people["anna"].number

        assert self.found(number) == self.found(number.lower()) == {people["anna"]}

    @pytest.mark.parametrize(
        "text",
        [
            "",
            " ",
            "nobody",
            "明小",
            "a%",
            "__",
            "\\",
            "99",
            "M0000000011",
            "\x00",
            "王\x00",
            "\ud800",
            "1\x00",
            "王" * 10_000,
        ],
    )
    def test_nobody_is_an_answer(self, people, text):
        assert self.found(text) == set()

    @pytest.mark.parametrize(
        "text", ["5679", "5678 李", "5678 5678 王", "李 5678", "x", "ngx ", "mx"]
    )
    def test_no_part_of_pinyin_nor_of_a_phone_that_is_not_theirs(self, people, text):
        assert people["wang"] not in self.found(text)

    def test_digits_find_a_code_and_phones_that_end_so(self, people):
        list_external(people["rare"], dealer().pk, "5678")

        assert self.found("5678") == {people["wang"], people["rare"]}

    def test_a_phone_that_changed_is_found_by_its_new_end(self, people):
        operations.update_profile(
            member_id=people["wang"].pk,
            changes={"phone": "13812340000", "name": "李大力"},
            at=NOON,
            by=None,
            reason="",
        )

        assert self.found("5678") == self.found("wxm") == set()
        assert self.found("0000") == self.found("lidali") == {people["wang"]}


@pytest.mark.parametrize(
    ("name", "spelled"),
    [
        ("王小明", "wang xiao ming"),
        ("曾国藩", "zeng guo fan"),
        ("国曾", "guo ceng"),
        ("尉迟恭", "yu chi gong"),
        ("長孫無忌", "zhang sun wu ji"),
        ("吕布", "lu bu"),
        ("李 😀明", "li ming"),
        ("买买提·吐尔逊", "mai mai ti tu er xun"),
        ("Anna-Maria O'Neil", "anna maria oneil"),
        ("Łukasz Müller", "lukasz muller"),
        ("Иван Петров", "ivan petrov"),
        ("%", ""),
        ("", ""),
    ],
)
def test_names_are_spelled_in_latin_letters(name, spelled):
    assert names.spelled(name) == spelled


def test_names_sort_by_syllables_and_none_comes_last():
    # As text, "lian" would stand between "li an" and "li min".
    in_order = [member(name=name) for name in ("李安", "李敏", "连战", "Zoe", "曾一", "")]

    found = Member.objects.order_by("name_spelled")

    assert [each.name for each in found] == ["李安", "李敏", "连战", "曾一", "Zoe", ""]
    assert len(found) == len(in_order)
