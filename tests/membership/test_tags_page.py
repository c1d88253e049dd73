"""Staff put tags on members and list who has one (M5)."""

import pytest
from django.urls import reverse

from members import operations
from members.models import Tag, TagSource
from tests.factories import member
from tests.factories.points import NOON

pytestmark = pytest.mark.django_db


def test_tags_are_edited_with_a_reason_and_shown(boss):
    of = member()
    page = reverse("admin:member-tags", args=[of.number])

    boss.post(page, {"tags": "VIP，车友会", "reason": "来电"})

    assert "VIP，车友会" in boss.get(page).content.decode()
    shown = boss.get(reverse("admin:member", args=[of.number])).content.decode()
    assert 'class="c-tag">车友会<' in shown
    refused = boss.post(page, {"tags": "x" * 51, "reason": "x"})
    assert "1 to 50 characters" in refused.content.decode()


def test_the_list_is_narrowed_to_who_has_one(boss):
    of, _other = member(name="王小明"), member(name="李四")
    operations.tag_many(names={of.pk: ["VIP"]}, source=TagSource.IMPORT, at=NOON)
    page = reverse("admin:members_member_changelist")

    narrowed = boss.get(page, {"tag": Tag.objects.get().pk})

    assert [each.name for each in narrowed.context["cl"].result_list] == ["王小明"]
    for nonsense in ("x", "9" * 30, "-1", "１"):
        assert boss.get(page, {"tag": nonsense}).status_code == 200
