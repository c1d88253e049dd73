"""Staff define what the brand asks of its members, and see it (M2)."""

import pytest
from django.urls import reverse

from common.models import AuditRecord
from members.models import Attribute
from tests.factories import member
from tests.members.test_attributes import attribute, learn

pytestmark = pytest.mark.django_db


class TestInTheConsole:
    def form(self, **content):
        return {
            "names_zh-hans": "职业",
            "names_zh-hant": "",
            "names_en": "Occupation",
            "code": "",
            "kind": "CHOICE",
            "position": "3",
            "is_active": "on",
            "by_member": "on",
            "options-TOTAL_FORMS": "2",
            "options-INITIAL_FORMS": "0",
            "options-0-names_zh-hans": "教师",
            "options-0-position": "1",
            "options-0-is_active": "on",
            "options-1-names_zh-hans": "医生",
            "options-1-position": "2",
            "options-1-is_active": "on",
        } | content

    def test_staff_define_one_without_inventing_codes(self, boss):
        answer = boss.post(reverse("admin:members_attribute_add"), self.form())

        assert answer.status_code == 302, answer.context["errors"]
        made = Attribute.objects.get(code="occupation")
        assert made.names == {"zh-hans": "职业", "en": "Occupation"}
        assert made.choices == {"jiao-shi": "教师", "yi-sheng": "医生"}
        assert AuditRecord.objects.filter(action="attribute.created").exists()

    @pytest.mark.parametrize(
        "content",
        [
            {"names_zh-hans": ""},
            {"names_zh-hans": "！", "names_en": ""},
            {"options-0-names_zh-hans": "医生"},
            {"options-TOTAL_FORMS": "0"},
            {"kind": "TEXT"},
            {"kind": "NONE"},
            {"code": "Interests!"},
            {"code": "interests"},
            {"position": "99999"},
        ],
    )
    def test_what_makes_no_sense_is_refused(self, boss, content):
        before = Attribute.objects.count()

        answer = boss.post(reverse("admin:members_attribute_add"), self.form(**content))

        assert answer.status_code == 200
        assert Attribute.objects.count() == before

    def test_the_profile_asks_for_them_and_the_page_shows_them(self, boss):
        of = member()
        attribute("n", "NUMBER")
        attribute("y", "YES_NO")
        page = reverse("admin:member-profile", args=[of.number])
        shown = boss.get(page).context["form"]

        boss.post(
            page,
            {
                "name": of.name,
                "attribute-interests": ["food", "travel"],
                "attribute-income": "100k-200k",
                "attribute-n": "7.50",
                "attribute-y": "no",
                "reason": "来电",
            },
        )

        assert {"attribute-interests", "attribute-income"} <= shown.fields.keys()
        of.refresh_from_db()
        assert of.attributes == {
            "interests": ["travel", "food"],
            "income": "100k-200k",
            "n": 7.5,
            "y": False,
        }
        text = boss.get(reverse("admin:member", args=[of.number])).content.decode()
        assert "Road trips、Food" in text
        assert boss.get(page).context["form"]["attribute-y"].value() == "no"

    def test_what_is_personal_shows_only_to_who_may_see_personal_data(self, at_work):
        of = member()
        learn(of, interests=["food"], income="100k-200k")

        text = at_work("auditor").get(reverse("admin:member", args=[of.number])).content.decode()

        assert "Food" in text
        assert "Income band" not in text

    def test_what_is_personal_is_masked_and_stays_unless_it_is_given_anew(self, at_work):
        of = member()
        learn(of, interests=["food"], income="100k-200k")
        care = at_work("customer care")
        shown = care.get(reverse("admin:member", args=[of.number])).content.decode()
        assert "<dt>Income band</dt><dd>***</dd>" in shown
        page = reverse("admin:member-profile", args=[of.number])
        form = care.get(page).context["form"]
        assert not form["attribute-income"].value()

        care.post(page, {"attribute-interests": ["travel"], "name": of.name, "reason": "来电"})

        of.refresh_from_db()
        assert of.attributes == {"interests": ["travel"], "income": "100k-200k"}
