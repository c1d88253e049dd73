"""Segments in the console: the builder, its size, who is in one, the file (M5)."""

import csv
import io
import re

import pytest
from django.urls import reverse

from campaigns import segments
from campaigns.models import Segment
from common.models import AuditRecord
from members.models import Tag
from tests.campaigns.test_segments import TODAY, definition, made, put
from tests.factories import agree, member

pytestmark = pytest.mark.django_db
QUERIES_MAX = 12


@pytest.fixture
def manager(at_work):
    return at_work("campaign manager")


def page(*args, name="segment"):
    return reverse(f"admin:{name}", args=args)


def text_of(response, status=200) -> str:
    assert response.status_code == status
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))
    return text.replace("&#x27;", "'")


def filled(**more):
    """The builder with one condition: tags."""
    return {
        "v.segment_name": "贵宾",
        "v.segment_tag": "",
        "v.segment_note": "",
        "v.members.match": "all",
        "v.members.conditions@rows": "1",
        "v.members.conditions.0@kind": "tags",
        "v.members.conditions.0.tags": ["VIP"],
    } | more


class TestBuilder:
    def test_makes_a_segment_and_shows_it_in_words(self, manager):
        Tag.objects.create(name="VIP")

        answer = manager.post(
            page(name="segment-new"), filled(**{"v.segment_tag": "贵宾", "v.segment_note": "晚宴"})
        )

        one = Segment.objects.get()
        assert answer.headers["Location"] == page(one.pk)
        assert one.definition == definition({"tags": ["VIP"]})
        assert (one.name, one.tag.name, one.note) == ("贵宾", "贵宾", "晚宴")
        shown = text_of(manager.get(page(one.pk)))
        assert "Tags: VIP" in shown
        assert "晚宴" in shown
        assert "贵宾" in text_of(manager.get(page(name="segments")))

    def test_begins_with_one_condition_and_adds_others(self, manager):
        assert (
            'name="v.members.conditions.0@kind"'
            in manager.get(page(name="segment-new")).content.decode()
        )

        answer = manager.post(
            page(name="segment-new"), filled(do="add:v.members.conditions")
        ).content.decode()

        assert 'name="v.members.conditions.1@kind"' in answer
        assert not Segment.objects.exists()

    def test_what_stands_in_a_group_stays_when_its_word_changes(self, manager):
        Tag.objects.create(name="VIP")
        one = made({"tags": ["VIP"]})

        manager.post(
            page(one.pk, name="segment-edit"),
            filled(**{"v.members.match": "none", "revision": "1"}),
        )

        one.refresh_from_db()
        assert one.definition == definition({"tags": ["VIP"]}, match="none")

    def test_an_older_form_does_not_overwrite(self, manager):
        Tag.objects.create(name="VIP")
        one = made({"tags": ["VIP"]})

        answer = manager.post(page(one.pk, name="segment-edit"), filled(revision="7"))

        assert "Somebody else has changed this segment" in text_of(answer, 409)
        one.refresh_from_db()
        assert one.revision == 1

    @pytest.mark.parametrize(
        ("content", "field", "said"),
        [
            ({"v.segment_name": " "}, "v-segment_name", "A segment has a name"),
            ({"v.segment_name": "有了"}, "v-segment_name", "Another segment has this name."),
            ({"v.segment_tag": "a,b"}, "v-segment_tag", "A tag is a word"),
            ({"v.members.conditions@rows": "0"}, "v-members-conditions", "This is missing."),
            ({"v.members.conditions.0.tags": []}, "v-members-conditions-0-tags", "missing"),
            (
                {"v.members.conditions.0.tags": ["gone"]},
                "v-members-conditions-0-tags",
                "There is no “gone” to choose here.",
            ),
            (
                {
                    "v.members.conditions.0@kind": "age",
                    "v.members.conditions.0.age.at_least": "40",
                    "v.members.conditions.0.age.at_most": "30",
                },
                "v-members-conditions-0-age-at_most",
                "This lies below the lower end.",
            ),
            (
                {
                    "v.members.conditions.0@kind": "points",
                    "v.members.conditions.0.points.at_least": "many",
                },
                "v-members-conditions-0-points-at_least",
                "A whole number is wanted.",
            ),
        ],
    )
    def test_says_beside_the_field_what_is_wrong(self, manager, content, field, said):
        Tag.objects.create(name="VIP")
        made({"sex": ["MALE"]}, name="有了")

        answer = manager.post(page(name="segment-new"), filled(**content))

        text_of(answer, 422)
        beside = re.search(rf'id="{field}-error">([^<]*)<', answer.content.decode())
        assert beside, "nothing stands beside the field"
        assert said in beside[1]
        assert Segment.objects.count() == 1

    def test_shows_the_size_of_what_is_not_saved_yet(self, manager):
        Tag.objects.create(name="VIP")
        put(member(), "VIP")
        member()
        ask = page(name="segment-built-size")

        assert "1 member" in text_of(manager.post(ask, filled()))
        nothing = filled(**{"v.members.conditions.0.tags": []})
        assert "not complete yet" in text_of(manager.post(ask, nothing))


class TestOne:
    def test_counts_when_it_is_shown(self, manager):
        member(sex="MALE")
        one = made({"sex": ["MALE"]})

        assert "1 member" in text_of(manager.get(page(one.pk, name="segment-size")))

    def test_tells_of_what_is_not_there_any_more(self, manager):
        tag = Tag.objects.create(name="VIP")
        one = made({"tags": ["VIP"]})
        Tag.objects.filter(pk=tag.pk).update(is_active=False)

        assert "There is no “VIP” to choose here." in text_of(manager.get(page(one.pk)))

    def test_is_kept_as_a_list(self, manager):
        member(sex="MALE")
        one = made({"sex": ["MALE"]})

        answer = manager.post(page(one.pk), {"name": "名单"})

        kept = Segment.objects.get(kind="KEPT")
        assert answer.headers["Location"] == page(kept.pk)
        assert "Was asked for" in text_of(manager.get(page(kept.pk)))
        assert manager.get(page(kept.pk, name="segment-edit")).status_code == 404
        assert "Another segment has this name." in text_of(
            manager.post(page(one.pk), {"name": "名单"})
        )

    def test_is_switched_off_and_on(self, manager):
        one = made({"sex": ["MALE"]})

        manager.post(page(one.pk), {"switch": "off"})
        assert "Switched off" in text_of(manager.get(page(name="segments")))
        manager.post(page(one.pk), {"switch": "on"})

        one.refresh_from_db()
        assert one.is_active
        actions = AuditRecord.objects.filter(actor=manager.user).order_by("pk")
        assert [each.action for each in actions] == ["segment.switched_off", "segment.switched_on"]

    def test_members_are_listed_masked_in_few_queries(self, manager, django_assert_max_num_queries):
        for _ in range(3):
            member(sex="MALE", name="王小明")
        one = made({"sex": ["MALE"]})

        with django_assert_max_num_queries(QUERIES_MAX):
            shown = text_of(manager.get(page(one.pk, name="segment-members")))

        assert shown.count("王**") == 3
        assert "王小明" not in shown
        assert not re.search(r"138\d{8}", shown)


class TestFile:
    def taken(self, client, segment, **form):
        answer = client.post(page(segment.pk, name="segment-export"), form)
        assert answer.status_code == 200, text_of(answer, answer.status_code)
        content = b"".join(answer.streaming_content).decode()
        assert content.startswith("\ufeff")
        return list(csv.reader(io.StringIO(content.removeprefix("\ufeff"))))

    def test_is_masked_and_harmless_and_recorded(self, manager):
        him = member(sex="MALE", name="王小明", email="wang@example.com", city="=1+1")
        agree(him)
        one = made({"sex": ["MALE"]})

        header, row = self.taken(manager, one)

        assert len(header) == len(row)
        assert row[0] == him.number
        assert row[1] == "王**"
        assert "wang" not in " ".join(row)
        assert him.phone not in " ".join(row)
        assert "'=1+1" in row
        assert row[-1] == "Yes"
        record = AuditRecord.objects.get(action="segment.exported")
        assert (record.target, record.actor) == (one.name, manager.user)
        assert record.details == {"segment": one.pk, "members": 1, "masked": True}

    def test_in_full_only_with_the_right_and_a_reason(self, manager, at_work):
        him = member(sex="MALE", name="王小明")
        one = made({"sex": ["MALE"]})
        boss = at_work("administrator")

        assert self.taken(manager, one, in_full="on", reason="想要")[1][1] == "王**"
        refused = boss.post(page(one.pk, name="segment-export"), {"in_full": "on"})
        assert "Say why." in text_of(refused, 422)
        row = self.taken(boss, one, in_full="on", reason="短信公司")[1]

        # A plus begins a formula.
        assert row[1:3] == ["王小明", f"'{him.phone}"]
        record = AuditRecord.objects.filter(action="segment.exported").latest("pk")
        assert (record.reason, record.details["masked"]) == ("短信公司", False)


class TestWhoMay:
    @pytest.mark.parametrize("role", ["customer care", "finance", "store clerk"])
    def test_others_see_none_of_it(self, at_work, role):
        client, one = at_work(role), made({"sex": ["MALE"]})

        for each in (page(name="segments"), page(one.pk), page(one.pk, name="segment-members")):
            assert client.get(each).status_code == 403

    def test_an_auditor_looks_and_touches_nothing(self, at_work):
        client, one = at_work("auditor"), made({"sex": ["MALE"]})

        shown = client.get(page(one.pk)).content.decode()
        assert "Switch off" not in shown
        assert "members.csv" not in shown
        for name, args in (
            ("segment", [one.pk]),
            ("segment-edit", [one.pk]),
            ("segment-new", []),
            ("segment-export", [one.pk]),
            ("segment-built-size", []),
        ):
            assert client.post(page(*args, name=name), filled()).status_code == 403
        assert segments.member_ids(one, day=TODAY) == []
        assert Segment.objects.count() == 1
