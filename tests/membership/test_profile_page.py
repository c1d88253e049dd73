"""“Me”: what members see and correct of themselves."""

from datetime import date

import pytest
from django.test import Client

from common import limits
from common.models import AuditRecord
from members.models import Attribute, Member, Product
from tests.factories import member, plain, rulebook
from tests.membership.test_web import logged_in, text_of, the_code

pytestmark = pytest.mark.django_db
VIN = "LSVAM4187C2184841"


@pytest.fixture(autouse=True)
def _programme():
    plain()
    for key in limits.client().scan_iter("limit:*"):
        limits.client().delete(key)


def audited():
    return list(
        AuditRecord.objects.filter(action__startswith="member.")
        .exclude(action="member.enrolled")
        .order_by("pk")
        .values_list("action", "actor__username")
    )


class TestMe:
    def test_shows_who_one_is_and_leads_to_everything(self):
        one = member(name="王小明", phone="13800138000", email="wang@example.com")

        response = logged_in(one).get("/profile/")

        text = text_of(response)
        assert f"{one.number} · 138****8000 · w***@example.com" in text
        links = response.content.decode()
        for path in ("/profile/edit/", "/profile/phone/", "/profile/products/", "/messages/"):
            assert f'href="{path}"' in links

    @pytest.mark.parametrize("path", ["", "edit/", "products/", "phone/", "phone/code/"])
    def test_is_for_members_only(self, client, path):
        assert client.get(f"/profile/{path}")["Location"].startswith("/login/")


class TestEdit:
    @pytest.fixture
    def hobby(self):
        return Attribute.objects.create(
            code="hobby", names={"zh-hans": "爱好"}, kind="TEXT", by_member=True
        )

    def test_what_is_told_is_kept_and_audited_as_the_members_own(self, hobby):
        one = member(name="")
        client = logged_in(one)

        response = client.post(
            "/profile/edit/",
            {
                "name": " 𠮷田㑇 ", "birthday": "2000-02-29", "sex": "FEMALE", "province": "上海",
                "city": "上海", "attribute-hobby": "钓鱼",
            },
        )  # fmt: skip

        assert response["Location"] == "/profile/edit/?saved"
        one.refresh_from_db()
        assert (one.name, one.birthday, one.sex, one.city) == (
            "𠮷田㑇", date(2000, 2, 29), "FEMALE", "上海",
        )  # fmt: skip
        assert one.attributes == {"hobby": "钓鱼"}
        assert audited() == [("member.corrected", one.number)]
        assert Member.objects.get().name_parts

    def test_name_and_birthday_are_told_once(self):
        one = member(name="王小明", birthday=date(1990, 5, 1))
        client = logged_in(one)

        page = text_of(client.get("/profile/edit/"))
        client.post("/profile/edit/", {"name": "李四", "birthday": "1991-01-01", "city": "北京"})

        assert "王小明" in page
        one.refresh_from_db()
        assert (one.name, one.birthday, one.city) == ("王小明", date(1990, 5, 1), "北京")

    def test_left_empty_they_may_be_told_another_time(self):
        one = member(name="")
        client = logged_in(one)

        client.post("/profile/edit/", {"name": "", "birthday": "", "city": "北京"})
        client.post("/profile/edit/", {"name": "王小明", "birthday": "1990-05-01", "city": "北京"})

        one.refresh_from_db()
        assert (one.name, one.birthday) == ("王小明", date(1990, 5, 1))

    def test_what_staff_alone_may_edit_is_shown_and_not_asked(self):
        one = member()
        Attribute.objects.create(code="secret", names={"zh-hans": "评级"}, kind="TEXT")
        Member.objects.filter(pk=one.pk).update(attributes={"secret": "甲"})
        client = logged_in(one)

        page = client.get("/profile/edit/")
        client.post("/profile/edit/", {"attribute-secret": "乙"})

        assert "甲" in text_of(page)
        assert "attribute-secret" not in page.content.decode()
        one.refresh_from_db()
        assert one.attributes == {"secret": "甲"}

    @pytest.mark.parametrize(
        "told",
        [
            {"birthday": "2199-01-01"},
            {"birthday": "1990-02-30"},
            {"name": "王\u202e明"},
            {"sex": "X"},
            {"city": "京" * 51},
        ],
    )
    def test_what_cannot_be_is_refused_and_nothing_is_written(self, told):
        one = member(name="")

        response = logged_in(one).post("/profile/edit/", {"province": "上海"} | told)

        assert 'role="alert"' in response.content.decode()
        one.refresh_from_db()
        assert (one.name, one.birthday, one.province) == ("", None, "")
        assert audited() == []


class TestProducts:
    def test_a_product_is_bound_by_its_identifier(self):
        one = member()
        client = logged_in(one)

        response = client.post(
            "/profile/products/", {"identifier": " ｌｓｖａｍ4187c 2184841", "name": "朗逸"}
        )

        assert response["Location"] == "/profile/products/?saved"
        assert Product.objects.values_list("identifier", "name").get() == (VIN, "朗逸")
        assert audited() == [("member.product_bound", one.number)]
        assert "朗逸" in text_of(client.get("/profile/products/"))

    def test_one_that_is_somebody_elses_is_refused_clearly(self):
        one = member()
        logged_in(member()).post("/profile/products/", {"identifier": VIN})

        response = logged_in(one).post("/profile/products/", {"identifier": VIN})

        assert response.status_code == 409
        assert 'role="alert"' in response.content.decode()
        assert not one.products.exists()

    def test_a_mistyped_vin_is_found_by_its_check_digit(self):
        rulebook(product_identifiers="vin", valid_from="1900-01-02")

        response = logged_in(member()).post("/profile/products/", {"identifier": VIN[:-1] + "2"})

        assert response.status_code == 422
        assert not Product.objects.exists()

    def test_nobody_tries_out_identifiers(self):
        logged_in(member()).post("/profile/products/", {"identifier": VIN})
        client = logged_in(member())

        answers = [
            client.post("/profile/products/", {"identifier": VIN}).status_code for _ in range(11)
        ]

        assert answers == [409] * 10 + [429]


class TestPhone:
    def change(self, client, phone):
        client.post("/profile/phone/", {"phone": phone})
        return client.post("/profile/phone/code/", {"code": the_code()})

    def test_the_new_one_is_proven_and_opens_the_door(self, client):
        one = member(phone="13800138000")

        response = self.change(logged_in(one), "139 0013 9000")

        assert response["Location"] == "/profile/"
        one.refresh_from_db()
        assert one.phone == "+8613900139000"
        assert audited() == [("member.corrected", one.number)]
        for key in limits.client().scan_iter("limit:*"):
            limits.client().delete(key)
        client.post("/login/", {"phone": "13900139000"})
        assert client.post("/login/code/", {"code": the_code()})["Location"] == "/"

    def test_a_wrong_code_changes_nothing(self):
        one = member(phone="+8613800138000")
        client = logged_in(one)
        client.post("/profile/phone/", {"phone": "13900139000"})

        response = client.post("/profile/phone/code/", {"code": "x"})

        assert response.status_code == 422
        one.refresh_from_db()
        assert one.phone == "+8613800138000"

    def test_one_that_is_somebody_elses_stays_theirs(self):
        other = member(phone="+8613900139000")
        one = member(phone="+8613800138000")
        client = logged_in(one)

        # Asking tells nothing: only who has the code, and so the phone, hears that it is taken.
        assert client.post("/profile/phone/", {"phone": "13900139000"}).status_code == 302
        response = client.post("/profile/phone/code/", {"code": the_code()})

        assert response.status_code == 409
        one.refresh_from_db()
        other.refresh_from_db()
        assert (one.phone, other.phone) == ("+8613800138000", "+8613900139000")

    def test_the_code_page_comes_after_the_phone(self):
        assert logged_in(member()).get("/profile/phone/code/")["Location"] == "/profile/phone/"

    def test_forms_need_their_token(self):
        client = Client(enforce_csrf_checks=True)
        from members import operations

        client.force_login(operations.login_for(member_id=member().pk))

        assert client.post("/profile/edit/", {"city": "x"}).status_code == 403
