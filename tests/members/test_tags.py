"""Words on members, by hand and by the thousand (M5)."""

import pytest
from django.db import IntegrityError, transaction

from common.models import AuditRecord
from members import operations, queries
from members.models import Tag, Tagging, TagSource
from members.operations import InvalidTag, TooManyTags
from tests.factories import member, staff
from tests.factories.points import NOON

pytestmark = pytest.mark.django_db


def put(of, *names, by=None):
    operations.set_tags(member_id=of.pk, names=names, at=NOON, by=by or staff(), reason="来电")


class TestByHand:
    def test_a_member_has_these_and_no_others(self):
        of, by = member(), staff()
        put(of, "车友会", "VIP", by=by)

        put(of, "VIP", "试驾", by=by)

        assert list(queries.tags_of(of.pk)) == ["VIP", "试驾"]
        record = AuditRecord.objects.filter(action="member.tagged").latest("pk")
        assert (record.target, record.actor, record.reason) == (of.number, by, "来电")
        assert record.details == {"added": ["试驾"], "removed": ["车友会"]}

    def test_the_same_again_leaves_no_record(self):
        of = member()
        put(of, "VIP")

        put(of, "VIP", " VIP ")

        assert AuditRecord.objects.filter(action="member.tagged").count() == 1

    def test_one_switched_off_is_not_shown_and_not_taken_away(self):
        of = member()
        put(of, "旧", "新")
        Tag.objects.filter(name="旧").update(is_active=False)

        assert list(queries.tags_of(of.pk)) == ["新"]
        put(of, "新", "VIP")

        assert Tagging.objects.filter(member=of, tag__name="旧").exists()

    @pytest.mark.parametrize(
        "names", [[""], ["a,b"], ["a，b"], ["x" * 51], ["a\0"], ["a\nb"], ["\u202e"], ["好；坏"]]
    )
    def test_what_is_no_word_is_refused_and_changes_nothing(self, names):
        of = member()

        with pytest.raises(InvalidTag):
            put(of, "VIP", *names)
        assert not Tag.objects.exists()

    def test_there_is_an_end_to_it(self):
        with pytest.raises(TooManyTags):
            put(member(), *(f"t{n}" for n in range(51)))

    def test_the_database_keeps_commas_out_too(self):
        for name in ("a,b", " a", ""):
            with pytest.raises(IntegrityError, match="tag_is_a_word"), transaction.atomic():
                Tag.objects.create(name=name)

    @pytest.mark.parametrize(
        ("text", "tags"),
        [
            ("", []),
            (" , ，", []),
            ("VIP, 车友会；𠮷;VIP", ["VIP", "车友会", "𠮷"]),
            ("=1+1", ["=1+1"]),
        ],
    )
    def test_people_write_commas_of_both_scripts(self, text, tags):
        assert operations.read_tags(text) == tags


class TestMany:
    def test_in_four_statements_however_many(self, django_assert_num_queries):
        of = [member().pk for _ in range(30)]
        put_on = {"source": TagSource.IMPORT, "at": NOON}
        operations.tag_many(names={each: ["A", "B"] for each in of[:10]}, **put_on)

        with django_assert_num_queries(5):
            new = operations.tag_many(names={each: ["A", "B", "A"] for each in of}, **put_on)

        assert new == 40
        assert Tagging.objects.count() == 60
        assert operations.tag_many(names={each: ["A", "B"] for each in of}, **put_on) == 0

    def test_who_has_it_by_hand_keeps_it_so(self):
        of = member()
        put(of, "A")

        operations.tag_many(names={of.pk: ["A"]}, source=TagSource.RULE, at=NOON)

        assert Tagging.objects.get().source == TagSource.HAND
