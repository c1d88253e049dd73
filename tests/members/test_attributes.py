"""What a brand asks of its members besides what every programme asks (M2)."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.models import AuditRecord
from members import attributes, operations
from members.attributes import AttributeRequired, InvalidAttribute, UnknownAttribute
from members.models import Attribute, AttributeOption, Member
from tests.factories import member
from tests.factories.points import NOON

pytestmark = pytest.mark.django_db

COLOURS = {"red": "红", "blue": "蓝", "green": "绿"}


def attribute(code="a", kind="TEXT", *, choices=(), **fields):
    made = Attribute.objects.create(code=code, names={"zh-hans": code}, kind=kind, **fields)
    for place, choice in enumerate(choices):
        AttributeOption.objects.create(
            attribute=made, code=choice, names={"zh-hans": COLOURS[choice]}, position=place
        )
    return made


def learn(of, **known):
    return operations.update_profile(
        member_id=of.pk, changes={"attributes": known}, at=NOON, by=None, reason=""
    ).attributes


class TestValues:
    @pytest.mark.parametrize(
        ("kind", "value", "kept"),
        [
            ("TEXT", " 𠮷野家 ", "𠮷野家"),
            ("TEXT", "=1+1", "=1+1"),
            ("NUMBER", 0, 0),
            ("NUMBER", -12.25, -12.25),
            ("NUMBER", 7.0, 7),
            ("NUMBER", 10**12, 10**12),
            ("DATE", "2024-02-29", "2024-02-29"),
            ("DATE", date(2024, 2, 29), "2024-02-29"),
            ("YES_NO", False, False),
            ("CHOICE", "blue", "blue"),
            ("CHOICES", ["green", "red", "red"], ["red", "green"]),
        ],
    )
    def test_of_its_kind_is_kept_in_one_form(self, kind, value, kept):
        attribute(kind=kind, choices=COLOURS if "CHOICE" in kind else ())

        assert learn(member(), a=value) == {"a": kept}

    @pytest.mark.parametrize(
        ("kind", "value"),
        [
            ("TEXT", 5), ("TEXT", "x" * 201), ("TEXT", "a\nb"), ("TEXT", "a\0"), ("TEXT", "  "),
            ("TEXT", ["a"]), ("TEXT", "\ud800"),
            ("NUMBER", "5"), ("NUMBER", True), ("NUMBER", float("nan")), ("NUMBER", float("inf")),
            ("NUMBER", 10**12 + 1), ("NUMBER", -(10**30)), ("NUMBER", 1.001), ("NUMBER", [1]),
            ("DATE", "2023-02-29"), ("DATE", "20240229"), ("DATE", "2024-W09-4"),
            ("DATE", 20240229),
            ("YES_NO", "yes"), ("YES_NO", 1),
            ("CHOICE", "yellow"), ("CHOICE", ["blue"]), ("CHOICE", 1),
            ("CHOICES", "blue"), ("CHOICES", ["blue", "yellow"]), ("CHOICES", [1]),
        ],
    )  # fmt: skip
    def test_of_another_kind_are_refused_and_nothing_changes(self, kind, value):
        attribute(kind=kind, choices=COLOURS if "CHOICE" in kind else ())
        of = member()

        with pytest.raises(InvalidAttribute):
            learn(of, a=value)
        assert Member.objects.get(pk=of.pk).attributes == {}

    @given(
        st.one_of(
            st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.text())
        )
    )
    def test_no_value_at_all_breaks_it(self, value):
        for kind in attributes._CHECKS:
            asked = Attribute(code="a", names={"zh-hans": "a"}, kind=kind)
            asked.__dict__["open_choices"] = COLOURS
            try:
                kept = attributes.merged({}, {"a": value}, {"a": asked})
            except InvalidAttribute:
                continue
            # What was kept is kept again as it is.
            assert attributes.merged({}, kept, {"a": asked}) == kept

    def test_one_that_nobody_defined_or_is_switched_off_is_refused(self):
        attribute("old", is_active=False)

        for code in ("old", "nobody", "x" * 5000):
            with pytest.raises(UnknownAttribute):
                learn(member(), **{code: "1"})

    def test_only_what_is_told_changes_and_nothing_takes_away(self):
        attribute("a")
        attribute("b", "NUMBER")
        of = member()

        assert learn(of, a="x", b=1) == {"a": "x", "b": 1}
        assert learn(of, b=2) == {"a": "x", "b": 2}
        assert learn(of, a="") == {"b": 2}
        assert learn(of, b=None) == {}

    def test_what_must_be_known_is_not_taken_away(self):
        attribute("a", is_required=True)
        of = member()
        learn(of, a="x")

        with pytest.raises(AttributeRequired):
            learn(of, a="")

    def test_a_choice_switched_off_stays_with_who_has_it_and_is_chosen_no_more(self):
        asked = attribute("c", "CHOICE", choices=COLOURS)
        of = member()
        learn(of, c="red")
        asked.options.filter(code="red").update(is_active=False)

        assert attributes.told({"c": "red"}, [Attribute.objects.get(code="c")]) == [("c", "红")]
        with pytest.raises(InvalidAttribute):
            learn(member(), c="red")

    def test_the_record_names_the_attribute_fields_not_what_was_said(self):
        attribute("a")
        of = member()

        learn(of, a="secret")

        record = AuditRecord.objects.get(action="member.corrected")
        assert record.details == {"fields": ["attributes"]}
        assert of.history.count() == 2
