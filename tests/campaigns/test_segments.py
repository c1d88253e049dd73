"""Segments: who fits a definition, in one statement (M5)."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from campaigns import nightly, segments
from campaigns.models import Segment, SegmentMember
from campaigns.segments import InvalidSegment, _compiling, _finding
from campaigns.segments._compiling import born_by
from common.models import AuditRecord
from common.schemas import where
from members import operations as members
from members.models import Member, Tag, Tagging, TagSource
from points import operations as points
from tests.factories import (
    agree,
    buy,
    identity,
    lot,
    member,
    rulebook,
    source,
    staff,
    store,
)
from tests.factories.activities import do, kind, rewarding
from tests.factories.points import NOON
from tests.members.test_attributes import attribute
from tests.points.returning import give_back
from tests.tiers.ladder import simple

pytestmark = pytest.mark.django_db
TODAY = date(2026, 6, 15)
DAY = timedelta(days=1)


def group(*conditions, match="all"):
    return {"match": match, "conditions": list(conditions)}


def definition(*conditions, match="all"):
    return {"members": group(*conditions, match=match)}


def fitting(*conditions, match="all", day=TODAY):
    """Who fits, as the definition is stored and found again."""
    document = definition(*conditions, match=match)
    assert segments.problems(document) == ()
    made = Segment(kind="LIVE", definition=document)
    whole = segments.member_ids(made, day=day)
    assert segments.size(document, day=day) == segments.Size(len(whole))
    # The night asks for stretches of members: together they are the same.
    ids = list(Member.objects.order_by("pk").values_list("pk", flat=True))
    in_parts = [found for pk in ids for found in segments.member_ids(made, day=day, among=(pk, pk))]
    assert in_parts == whole
    return set(whole)


def made(*conditions, name="人群", tag="", match="all", by=None):
    return segments.create(
        name=name,
        definition=definition(*conditions, match=match),
        tag=tag,
        at=NOON,
        by=by or staff(),
    )


def put(of, *names):
    members.set_tags(member_id=of.pk, names=names, at=NOON, by=staff(), reason="来电")


def pks(*of):
    return {each.pk if isinstance(each, Member) else each.id for each in of}


class TestWhoTheyAre:
    def test_sex_and_place_and_status(self):
        her, him = member(sex="FEMALE", province="广东", city="深圳"), member(sex="MALE")
        early = member(active=False, city="广州")

        assert fitting({"sex": ["FEMALE"]}) == pks(her)
        assert fitting({"provinces": ["广东", "广西"]}) == pks(her)
        assert fitting({"cities": ["广州", "深圳"]}) == pks(her, early)
        assert fitting({"status": ["PRE_REGISTERED"]}) == pks(early)
        assert fitting({"status": ["ACTIVE"]}) == pks(her, him)

    def test_who_has_left_is_in_none(self):
        gone, here = member(sex="MALE"), member(sex="MALE")
        members.close(member_id=gone.pk, closed_at=NOON, by=staff(), reason="退会")

        assert fitting({"sex": ["MALE"]}) == pks(here)
        assert fitting({"sex": ["FEMALE"]}, match="none") == pks(here)

    def test_age_counts_full_years(self):
        eighteen = member(birthday=date(2008, 6, 15))
        nearly = member(birthday=date(2008, 6, 16))
        member()

        assert fitting({"age": {"at_least": 18}}) == pks(eighteen)
        assert fitting({"age": {"at_most": 17}}) == pks(nearly)
        assert fitting({"age": {"at_least": 17, "at_most": 18}}) == pks(eighteen, nearly)

    @pytest.mark.parametrize(
        ("day", "last"),
        [
            (date(2026, 2, 27), date(2008, 2, 27)),
            # Who was born on the 29th is a year older today.
            (date(2026, 2, 28), date(2008, 2, 29)),
            (date(2026, 3, 1), date(2008, 3, 1)),
            (date(2028, 2, 28), date(2010, 2, 28)),
            (date(2028, 2, 29), date(2010, 2, 28)),
        ],
    )
    def test_who_was_born_on_29_february_is_a_year_older_on_the_28th(self, day, last):
        assert born_by(day, 18) == last

    def test_the_birthday_s_month_of_any_year(self):
        may, _june = member(birthday=date(1990, 5, 31)), member(birthday=date(1990, 6, 1))
        leap = member(birthday=date(2000, 2, 29))

        assert fitting({"birthday_months": [2, 5]}) == pks(may, leap)

    def test_the_day_of_joining_in_the_programme_s_zone(self):
        # 23:59 and 00:00 in Shanghai.
        first = member(joined_at=datetime(2026, 6, 1, 15, 59, tzinfo=UTC))
        second = member(joined_at=datetime(2026, 6, 1, 16, 0, tzinfo=UTC))

        assert fitting({"joined": {"until": "2026-06-01"}}) == pks(first)
        assert fitting({"joined": {"from": "2026-06-02"}}) == pks(second)
        assert fitting({"joined": {"days": 14}}) == pks(second)
        assert fitting({"joined": {"days": 15}}) == pks(first, second)
        assert fitting({"joined": {"from": "1900-01-01", "until": "9999-12-31"}}) == pks(
            first, second
        )

    def test_the_enrolling_store_and_its_dealer(self):
        one, other = store(), store()
        here, there = member(store=one), member(store=other)
        member()

        assert fitting({"stores": [one.code]}) == pks(here)
        assert fitting({"dealers": [one.organization.code, other.organization.code]}) == pks(
            here, there
        )

    def test_what_the_brand_wants_to_know(self):
        attribute("size", "NUMBER")
        attribute("since", "DATE")
        attribute("nick", "TEXT")
        attribute("dog", "YES_NO")
        one = member(
            attributes={"size": 42.5, "since": "2020-02-29", "nick": "阿明", "dog": True,
                        "interests": ["food", "travel"], "income": "100k-200k"}
        )  # fmt: skip
        two = member(attributes={"size": 7, "dog": False, "interests": ["travel"]})
        member()

        assert fitting({"attributes": ["interests:food", "income:100k-200k"]}) == pks(one)
        assert fitting({"attributes": ["interests:travel"]}) == pks(one, two)
        assert fitting({"attributes": ["dog:yes"]}) == pks(one)
        assert fitting({"attributes": ["dog:no"]}) == pks(two)
        assert fitting({"attribute_number": {"of": "size", "at_least": "42.5"}}) == pks(one)
        assert fitting({"attribute_number": {"of": "size", "at_most": "42.49"}}) == pks(two)
        assert fitting({"attribute_day": {"of": "since", "until": "2020-02-29"}}) == pks(one)
        assert fitting({"attribute_day": {"of": "since", "from": "2020-03-01"}}) == set()
        assert fitting({"attribute_text": {"of": "nick", "is": ["阿明"]}}) == pks(one)

    def test_consents_as_the_member_said_last(self):
        yes, no, both = member(), member(), member()
        agree(yes)
        agree(no)
        agree(no, is_given=False, at=NOON)
        agree(both)
        agree(both, "PROFILING")

        assert fitting({"consents": ["MARKETING"]}) == pks(yes, both)
        assert fitting({"consents": ["MARKETING", "PROFILING"]}) == pks(both)
        assert fitting({"consents": ["MARKETING"]}, match="none") == pks(no)

    def test_tags_any_of_them(self):
        one, two, three = member(), member(), member()
        put(one, "VIP", "车友会")
        put(two, "试驾")
        put(three, "其他")

        assert fitting({"tags": ["VIP", "车友会", "试驾"]}) == pks(one, two)
        assert fitting({"tags": ["VIP"]}, {"tags": ["车友会"]}) == pks(one)


class TestWhatTheyHave:
    def test_points_and_those_about_to_lapse(self):
        rich, poor = identity(), identity()
        lot(rich, 1000, expires_on=date(2026, 7, 14))
        lot(rich, 500, expires_on=date(2027, 6, 30))
        lot(poor, 10, expires_on=date(2026, 7, 15))
        none = member()

        assert fitting({"points": {"at_least": 1500}}) == pks(rich)
        assert fitting({"points": {"at_most": 10}}) == pks(poor, none)
        assert fitting({"expiring": {"days": 30}}) == pks(rich)
        assert fitting({"expiring": {"days": 31}}) == pks(rich, poor)
        assert fitting({"expiring": {"days": 31, "at_least": 1000}}) == pks(rich)

    def test_tiers_and_who_has_none_is_at_the_base(self):
        rulebook(valid_from="2026-05-01", sections={"tiers": simple(10)})
        up, below = identity(), identity()
        buy(up, "100.00")
        buy(below, "10.00")
        new = member()

        assert fitting({"tiers": ["t1"]}) == pks(up)
        assert fitting({"tiers": ["regular"]}) == pks(below, new)
        assert fitting({"tiers": ["regular"]}, match="none") == pks(up)

    def test_spend_and_purchases_within_a_window_less_what_was_given_back(self):
        rulebook()
        one, two, three, never = (identity() for _ in range(4))
        buy(one, "100.00", at=NOON - 29 * DAY)
        buy(one, "50.00", at=NOON - 30 * DAY)
        buy(two, "200.00", reference="R-2")
        give_back("R-2", "120.00", reference="B-2")
        buy(three, "300.00", reference="R-3")
        give_back("R-3", "300.00", reference="B-3")

        assert fitting({"spend": {"at_least": "80", "at_most": "100", "days": 30}}) == pks(one, two)
        assert fitting({"spend": {"at_least": "150"}}) == pks(one)
        assert fitting({"spend": {"at_most": "0"}}) == pks(three, never)
        assert fitting({"purchases": {"at_least": 2}}) == pks(one)
        assert fitting({"purchases": {"at_least": 1, "days": 30}}) == pks(one, two)
        assert fitting({"purchases": {"at_most": 0}}) == pks(three, never)

    def test_the_latest_purchase(self):
        rulebook()
        lately, long_ago, never = identity(), identity(), identity()
        buy(lately, "1.00", at=NOON - 9 * DAY)
        buy(long_ago, "1.00", at=NOON - 10 * DAY)

        assert fitting({"latest_purchase": {"within": 10}}) == pks(lately)
        assert fitting({"latest_purchase": {"before": 10}}) == pks(long_ago)
        assert fitting({"latest_purchase": {"within": 11, "before": 10}}) == pks(long_ago)
        assert fitting({"latest_purchase": {"within": 10}}, match="none") == pks(long_ago, never)

    def test_what_they_took_part_in(self):
        rewarding(kinds=[kind("share"), kind("visit")])
        often, once = identity(), identity()
        for n in range(3):
            do(often, "share", at=NOON - n * DAY)
        do(once, "share", at=NOON - 40 * DAY)
        do(once, "visit")

        assert fitting({"activity": {"kind": "share"}}) == pks(often, once)
        assert fitting({"activity": {"kind": "share", "times": 3}}) == pks(often)
        assert fitting({"activity": {"kind": "share", "times": 3, "days": 2}}) == set()
        assert fitting({"activity": {"kind": "visit", "days": 1}}) == pks(once)

    def test_what_was_done_before_a_merge_counts_for_whom_it_was_merged_into(self):
        rulebook()
        one, two, three = identity(), identity(), identity()
        buy(one, "100.00")
        buy(two, "10.00")
        for of, into in ((one, two), (two, three)):
            points.merge_accounts(
                member=of, into=into, at=NOON, source=source(), by=staff(), note="同一人"
            )

        assert fitting({"spend": {"at_least": "110"}}) == pks(three)
        assert fitting({"latest_purchase": {"within": 1}}) == pks(three)


class TestGroups:
    def test_and_or_not_within_each_other(self):
        old_her = member(sex="FEMALE", birthday=date(1950, 1, 1))
        old_him = member(sex="MALE", birthday=date(1950, 1, 1))
        young_her = member(sex="FEMALE", birthday=date(2000, 1, 1))
        unknown = member()
        old = {"age": {"at_least": 60}}

        assert fitting(old, {"sex": ["FEMALE"]}, match="any") == pks(old_her, old_him, young_her)
        assert fitting(old, {"group": group({"sex": ["MALE"]}, match="none")}) == pks(old_her)
        # Nobody knows the age of the last: so it is not one of 60 or more.
        assert fitting(old, match="none") == pks(young_her, unknown)
        assert fitting(
            {"group": group(old, match="none")}, {"group": group({"sex": ["MALE"]})}, match="none"
        ) == pks(old_her)

    def test_five_deep_in_one_statement(self):
        her = member(sex="FEMALE")
        member(sex="MALE")
        deep = {"sex": ["FEMALE"]}
        for _ in range(4):
            deep = {"group": group(deep, {"tags": ["VIP"]}, match="any")}
        Tag.objects.create(name="VIP")

        assert fitting(deep) == pks(her)
        with CaptureQueriesContext(connection) as asked:
            segments.member_ids(Segment(kind="LIVE", definition=definition(deep)), day=TODAY)
        assert len(asked) == 1

    def test_is_told_in_words(self):
        Tag.objects.create(name="VIP")
        document = definition(
            {"tags": ["VIP"]},
            {"group": group({"age": {"at_most": 30}}, {"sex": ["FEMALE"]}, match="any")},
        )

        with translation.override("en"):
            said = segments.told(document)

        assert said == "Tags: VIP and (Age: At most: 30 or Sex: Female)"


class TestNonsense:
    @pytest.mark.parametrize(
        ("condition", "place"),
        [
            ({}, "$.members.conditions[0]"),
            ({"tags": []}, "$.members.conditions[0].tags"),
            ({"tags": ["unknown"]}, "$.members.conditions[0].tags[0]"),
            ({"tiers": ["unknown"]}, "$.members.conditions[0].tiers[0]"),
            ({"stores": ["'; DROP TABLE x; --"]}, "$.members.conditions[0].stores[0]"),
            ({"sex": ["NONE"]}, "$.members.conditions[0].sex[0]"),
            ({"age": {}}, "$.members.conditions[0].age"),
            ({"age": {"at_least": 30, "at_most": 29}}, "$.members.conditions[0].age.at_most"),
            ({"age": {"at_least": -1}}, "$.members.conditions[0].age.at_least"),
            ({"age": {"at_least": "x"}}, "$.members.conditions[0].age.at_least"),
            (
                {"spend": {"at_least": "100", "at_most": "99.99"}},
                "$.members.conditions[0].spend.at_most",
            ),
            ({"spend": {"days": 30}}, "$.members.conditions[0].spend.at_least"),
            ({"spend": {"at_least": "1e9"}}, "$.members.conditions[0].spend.at_least"),
            (
                {"joined": {"from": "2026-02-02", "until": "2026-02-01"}},
                "$.members.conditions[0].joined.until",
            ),
            ({"joined": {"from": "2026-02-30"}}, "$.members.conditions[0].joined.from"),
            (
                {"latest_purchase": {"within": 30, "before": 60}},
                "$.members.conditions[0].latest_purchase.within",
            ),
            ({"expiring": {"at_least": 5}}, "$.members.conditions[0].expiring.days"),
            ({"birthday_months": [13]}, "$.members.conditions[0].birthday_months[0]"),
            (
                {"attribute_number": {"of": "interests", "at_least": "1"}},
                "$.members.conditions[0].attribute_number.of",
            ),
            ({"activity": {"kind": "none"}}, "$.members.conditions[0].activity.kind"),
            ({"nothing": 1}, "$.members.conditions[0].nothing"),
            (
                {"group": {"match": "all", "conditions": []}},
                "$.members.conditions[0].group.conditions",
            ),
            (
                {"group": {"match": "xor", "conditions": [{}]}},
                "$.members.conditions[0].group.match",
            ),
        ],
    )
    def test_is_refused_where_it_stands(self, condition, place):
        with pytest.raises(InvalidSegment) as refused:
            made(condition)

        assert place in {where(each.path) for each in refused.value.problems}
        assert not Segment.objects.exists()

    def test_of_six_groups_in_each_other(self):
        deep = {"sex": ["FEMALE"]}
        for _ in range(5):
            deep = {"group": group(deep)}

        with pytest.raises(InvalidSegment):
            made(deep)

    def test_of_more_than_fifty_conditions(self):
        twenty = group(*[{"sex": ["FEMALE"]}] * 20)

        with pytest.raises(InvalidSegment):
            made(*[{"group": twenty}] * 3)

    @pytest.mark.parametrize("document", [None, [], "x", {}, {"members": None}, {"members": {}}])
    def test_of_no_definition_at_all(self, document):
        assert segments.problems(document)

    def test_is_never_part_of_the_statement(self):
        """Whatever is typed comes as a parameter."""
        nasty = "x') OR TRUE; --%(p0)s {since}"
        attribute("nick", "TEXT")
        member()

        assert fitting({"cities": [nasty]}) == set()
        assert fitting({"attribute_text": {"of": "nick", "is": [nasty]}}) == set()
        found = segments.compiled(definition({"cities": [nasty]}), day=TODAY)
        assert nasty not in found.select("count(*)")
        assert found.params == {"p0": [nasty]}


class TestSize:
    def test_is_estimated_where_counting_takes_too_long(self, monkeypatch):
        for n in range(40):
            member(sex="MALE" if n % 4 else "FEMALE")
        ids = Member.objects.order_by("pk").values_list("pk", flat=True)
        assert ids[39] - ids[0] == 39
        slow = (
            "((SELECT TRUE FROM pg_sleep(CASE WHEN {slow} THEN 30 ELSE 0 END)) AND m.sex = 'MALE')"
        )

        def sleeping(to, _value):
            return slow.format(slow="FALSE" if to.among else "TRUE")

        monkeypatch.setitem(_compiling._CONDITIONS, "sex", sleeping)
        monkeypatch.setattr(_finding, "STRETCH_MEMBERS", 2)

        found = segments.size(definition({"sex": ["MALE"]}), day=TODAY, patience_seconds=1)

        # Ten stretches of two: the first two of every four, of which one is not.
        assert found.looked_at == 20
        assert 20 <= found.members <= 40
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            assert cursor.fetchone() == ("0",)

    def test_of_nobody(self):
        assert segments.size(definition({"sex": ["MALE"]}), day=TODAY) == segments.Size(0)


class TestKeeping:
    def test_a_segment_is_made_and_changed_with_a_record(self):
        by = staff()
        one = made({"sex": ["MALE"]}, by=by)

        segments.revise(
            segment_id=one.pk,
            revision=1,
            name="新名",
            definition=definition({"sex": ["FEMALE"]}),
            tag="",
            at=NOON,
            by=by,
        )

        one.refresh_from_db()
        assert (one.name, one.revision) == ("新名", 2)
        actions = (
            AuditRecord.objects.filter(actor=by).order_by("pk").values_list("action", flat=True)
        )
        assert list(actions) == ["segment.created", "segment.changed"]

    def test_who_looked_at_an_older_one_does_not_overwrite(self):
        one = made({"sex": ["MALE"]})

        with pytest.raises(segments.SegmentChanged):
            segments.revise(
                segment_id=one.pk, revision=2, name="x", definition=one.definition, tag="",
                at=NOON, by=staff(),
            )  # fmt: skip

    def test_names_and_tags_are_one_segment_s(self):
        made({"sex": ["MALE"]}, name="一", tag="男")

        with pytest.raises(segments.NameTaken):
            made({"sex": ["MALE"]}, name="一")
        with pytest.raises(segments.TagTaken):
            made({"sex": ["MALE"]}, name="二", tag="男")
        with pytest.raises(segments.NameMissing):
            made({"sex": ["MALE"]}, name="  ")
        with pytest.raises(members.InvalidTag):
            made({"sex": ["MALE"]}, name="三", tag="男，女")

    def test_a_kept_list_stays_whoever_comes_and_goes(self):
        one, two = member(sex="MALE"), member(sex="MALE")
        live = made({"sex": ["MALE"]})

        kept = segments.keep(segment_id=live.pk, name="名单", day=TODAY, at=NOON, by=staff())
        member(sex="MALE")
        members.update_profile(
            member_id=one.pk, changes={"sex": "FEMALE"}, at=NOON, by=staff(), reason="更正"
        )

        assert segments.member_ids(kept, day=TODAY) == sorted(pks(one, two))
        assert segments.size_of(kept, day=TODAY).members == 2
        members.close(member_id=two.pk, closed_at=NOON, by=staff(), reason="退会")
        assert segments.member_ids(kept, day=TODAY) == [one.pk]
        with pytest.raises(segments.NotEditable):
            segments.revise(
                segment_id=kept.pk, revision=1, name="x", definition=live.definition, tag="",
                at=NOON, by=staff(),
            )  # fmt: skip

    def test_a_kept_list_cannot_be_changed_in_the_database_either(self):
        member(sex="MALE")
        kept = segments.keep(
            segment_id=made({"sex": ["MALE"]}).pk, name="名单", day=TODAY, at=NOON, by=staff()
        )

        with pytest.raises(DatabaseError), transaction.atomic():
            SegmentMember.objects.filter(segment=kept).delete()
        with pytest.raises(IntegrityError), transaction.atomic():
            Segment.objects.filter(pk=kept.pk).update(kind="LIVE")


def tagged(name, source=None):
    found = Tagging.objects.filter(tag__name=name)
    if source:
        found = found.filter(source=source)
    return set(found.values_list("member_id", flat=True))


def night(day=TODAY):
    return nightly.tag_by_segments(day=day)


class TestTagsThatFollow:
    def test_are_put_on_and_taken_off_every_night(self):
        him, her = member(sex="MALE"), member(sex="FEMALE")
        made({"sex": ["MALE"]}, tag="男士")

        assert night() == {"put_on": 1, "taken_off": 0}
        assert night() == {"put_on": 0, "taken_off": 0}
        assert tagged("男士", TagSource.RULE) == pks(him)

        for of, sex in ((him, "FEMALE"), (her, "MALE")):
            members.update_profile(
                member_id=of.pk, changes={"sex": sex}, at=NOON, by=staff(), reason="更正"
            )
        assert night() == {"put_on": 1, "taken_off": 1}
        assert tagged("男士") == pks(her)

    def test_leave_alone_what_was_put_on_by_hand(self):
        her = member(sex="FEMALE")
        put(her, "男士")
        made({"sex": ["MALE"]}, tag="男士")

        night()

        assert tagged("男士", TagSource.HAND) == pks(her)

    def test_are_taken_off_when_the_segment_is_switched_off(self):
        him, by = member(sex="MALE"), staff()
        one = made({"sex": ["MALE"]}, tag="男士")
        night()
        assert tagged("男士") == pks(him)

        segments.switch(segment_id=one.pk, is_active=False, at=NOON, by=by)

        assert night() == {"put_on": 0, "taken_off": 1}
        assert night() == {"put_on": 0, "taken_off": 0}
        assert tagged("男士") == set()

    def test_cost_nothing_where_no_segment_has_one(self):
        member()
        made({"sex": ["MALE"]})

        assert list(nightly._tagged(TODAY)) == []

    def test_many_stretches_come_to_the_same(self, settings):
        settings.NIGHT_CHUNK_MEMBERS = 2
        men = [member(sex="MALE") for _ in range(5)]
        member(sex="FEMALE")
        made({"sex": ["MALE"]}, tag="男士")

        assert night() == {"put_on": 5, "taken_off": 0}
        assert tagged("男士") == pks(*men)
