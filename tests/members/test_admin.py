"""Finding a member in the console."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from members import operations, queries
from members.models import ExternalNumber
from tests.factories import dealer, member, staff, store
from tests.factories.points import NOON

pytestmark = pytest.mark.django_db


@pytest.fixture
def find(client):
    client.force_login(staff())

    def search(q):
        response = client.get(reverse("admin:members_member_changelist"), {"q": q})
        assert response.status_code == 200
        return [found.pk for found in response.context["cl"].result_list]

    return search


@pytest.fixture
def wang():
    found = member(name="王小明", phone="13812345678", store=store())
    operations.add_product(
        member_id=found.pk,
        product=operations.ProductFacts(identifier="LFV1A23C4D5000001"),
        bound_at=NOON,
    )
    ExternalNumber.objects.create(organization=dealer(), number="客户-7", member=found)
    member(name="李明", phone="13812345679")
    return found


class TestSearch:
    @pytest.mark.parametrize(
        "q",
        [
            "13812345678",
            "+86 138 1234 5678",
            "138-1234-5678",
            "8613812345678",
            "１３８１２３４５６７８",
            "王小明",
            "王小",
            "小明",
            "小",
            " 王小明 ",
            "LFV1A23C4D5000001",
            "lfv1a23c4d5000001",
            "客户-7",
        ],
    )
    def test_finds_by_what_people_write(self, find, wang, q):
        assert find(q) == [wang.pk]

    def test_finds_by_number_with_and_without_its_letter_and_zeros(self, find, wang):
        digits = wang.number.removeprefix("M")

        for q in (wang.number, wang.number.lower(), digits, digits.lstrip("0")):
            assert find(q) == [wang.pk], q

    @pytest.mark.parametrize(
        "q",
        ["13812345670", "王明", "LFV1A23C4D5000002", "客户", "M0000000000", "%", "_", "\\", "'"],
    )
    def test_finds_nobody_else(self, find, wang, q):
        assert find(q) == []

    @pytest.mark.parametrize(
        "q", ["𠮷", "𠮷野", "㑇", "🎁", "o'brien", "Ångström", "50%", "会员7号"]
    )
    def test_finds_rare_names_by_any_part(self, find, q):
        found = member(name=f"《{q}》")
        member(name="王小明")

        assert find(q) == [found.pk]

    def test_a_code_wins_over_a_name_that_contains_it(self, find, wang):
        member(name="13812345678")

        assert find("13812345678") == [wang.pk]

    @pytest.mark.parametrize("q", ["王" * 101, "1" * 5000, "M" + "9" * 99])
    def test_a_text_too_long_finds_nobody(self, find, wang, q):
        assert find(q) == []

    def test_a_null_character_finds_nobody(self, wang):
        assert not queries.search("王\0").exists()

    def test_without_a_question_the_newest_come_first(self, find, wang):
        newest = member()

        assert find("")[:2] == [newest.pk, newest.pk - 1]

    def test_does_not_find_the_phone_of_an_ended_membership(self, find, wang):
        operations.close(member_id=wang.pk, closed_at=wang.joined_at, by=staff(), reason="")

        assert find("13812345678") == []
        assert find("王小明") == [wang.pk]

    @pytest.mark.parametrize(
        "q", ["", "13812345678", "王小明", "LFV1A23C4D5000001", "客户-7", "17"]
    )
    def test_costs_one_look_up_one_count_and_the_list(self, client, wang, q):
        client.force_login(staff())
        page = reverse("admin:members_member_changelist")
        client.get(page)

        with CaptureQueriesContext(connection) as captured:
            client.get(page, {"q": q})

        # Beside them the session, the login, what waits for approval, the tags to narrow by.
        assert len(captured) == (7 if q else 6)
