"""What makes no sense is refused in the editor, with the reason beside its field."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from django.utils.timezone import localdate

from programme import documents, operations
from programme.models import Draft
from tests.factories import identity, member
from tests.factories.programme import PLAIN
from tests.membership.test_rulebook_pages import fields, page, save, text_of
from tests.tiers.ladder import gather, publish

pytestmark = pytest.mark.django_db

RETAIL = PLAIN.parent / "retail.yaml"


@pytest.fixture
def author(at_work):
    return at_work("campaign manager")


@pytest.fixture
def draft(author):
    operations.load(document=documents.parse(RETAIL.read_text()), published_at=timezone.now())
    author.post(page("rulebooks"))
    return Draft.objects.get()


def refused(author, draft, part, *, field, **changes):
    """Send the form of a part with these changes; return what is said beside a field."""
    before = draft.document
    url = page("draft-entry" if len(part) == 3 else "draft-part", draft.pk, *part)

    response = save(author, draft, url, **changes)

    assert response.status_code == 422, text_of(response)
    assert (draft.revision, draft.document) == (1, before), "nothing was saved"
    html = response.content.decode()
    return re.search(rf'id="{field}-error">([^<]*)<', html)[1].strip()


GOLD = ("tiers", "levels", "2")
BASE_RULE = ("earning", "rules", "0")
FESTIVAL = ("earning", "boosts", "2")


class TestCriteria:
    def test_that_nobody_can_meet_all_of(self, author, draft):
        told = refused(
            author, draft, GOLD, field="v-upgrade-some",
            upgrade_at_kind="some", upgrade__some="3", upgrade__of_at_rows="2",
            upgrade__of__0_at_kind="measure", upgrade__of__0__measure="points",
            upgrade__of__0__at_least="20000",
            upgrade__of__1_at_kind="measure", upgrade__of__1__measure="purchases",
            upgrade__of__1__at_least="5",
        )  # fmt: skip

        assert told == "Nobody could meet 3 of only 2 criteria."

    def test_that_say_the_same_twice(self, author, draft):
        told = refused(
            author, draft, GOLD, field="v-upgrade-any-1",
            upgrade__any__1__measure="points", upgrade__any__1__at_least="20000",
            upgrade__any__1__window_at_kind="",
        )  # fmt: skip

        assert told == "The same criterion is there twice."

    def test_thresholds_out_of_order(self, author, draft):
        told = refused(author, draft, GOLD, field="v-upgrade", upgrade__any__0__at_least="9000")

        assert told.startswith("This asks less (9000) than the tier below (10000)")

    def test_that_ask_for_nothing(self, author, draft):
        told = refused(
            author, draft, GOLD, field="v-upgrade-any-0-at_least", upgrade__any__0__at_least="0"
        )

        assert told == "It must be more than 0."


class TestTiers:
    def test_a_ladder_without_base(self, author, draft):
        """The lowest is what everybody has; one with criteria would leave members nowhere."""
        told = refused(
            author, draft, ("tiers", "levels", "0"), field="v-upgrade",
            upgrade_at_kind="measure", upgrade__measure="points", upgrade__at_least="10",
        )  # fmt: skip

        assert told.startswith("The first tier is the base")

    def test_the_base_cannot_be_removed(self, author, draft):
        url = page("draft-part", draft.pk, "tiers")

        response = author.post(url, {"do": "entry-remove:levels:0", "revision": 1})

        assert response.status_code == 422
        assert "“Silver” › To reach it : The first tier is the base" in text_of(response)
        draft.refresh_from_db()
        assert draft.revision == 1

    def test_one_that_rules_name_cannot_be_removed(self, author, draft):
        url = page("draft-part", draft.pk, "tiers")

        response = author.post(url, {"do": "entry-remove:levels:2", "revision": 1})

        assert response.status_code == 422
        assert "“Points for purchases”" in text_of(response)
        assert "There is no tier “gold”." in text_of(response)


def test_a_tier_that_members_have_cannot_be_removed(author):
    publish()
    gather(identity(member()), localdate(), points=12_000)
    author.post(page("rulebooks"))
    draft = Draft.objects.get()
    held = draft.document["tiers"]["levels"][1]["code"]

    response = author.post(
        page("draft-part", draft.pk, "tiers"), {"do": "entry-remove:levels:1", "revision": 1}
    )

    assert response.status_code == 422
    assert f"Members have the tier “{held}”: it cannot be left out." in text_of(response)


class TestEarning:
    @pytest.mark.parametrize("nothing", ["0", "0.00"])
    def test_a_rate_by_nothing(self, author, draft, nothing):
        told = refused(author, draft, BASE_RULE, field="v-per_amount", per_amount=nothing)

        assert told == "It must be more than 0."

    def test_a_rate_of_a_tier_by_nothing(self, author, draft):
        sent = fields(author, page("draft-entry", draft.pk, *BASE_RULE))
        assert "v.tiers.1.per_amount" in sent

        told = refused(
            author, draft, BASE_RULE, field="v-tiers-1-per_amount", tiers__1__per_amount="0"
        )

        assert told == "It must be more than 0."

    def test_days_that_end_before_they_begin(self, author, draft):
        told = refused(
            author, draft, BASE_RULE, field="v-where-until",
            where__from="2030-05-02", where__until="2030-05-01",
        )  # fmt: skip

        assert told == "It ends before it begins."

    def test_days_without_overlap(self, author, draft):
        """Festivals in February and October, and only in May."""
        told = refused(author, draft, FESTIVAL, field="v-when", when__months=["5"])

        assert told == "There is no day on which all of this is true."

    def test_a_code_that_another_has(self, author, draft):
        told = refused(author, draft, FESTIVAL, field="v-code", code="birthday-month")

        assert told == "Another rule or boost has the code “birthday-month”."

    def test_a_boost_that_a_budget_names_cannot_be_removed(self, author, draft):
        save(
            author, draft, page("draft-entry", draft.pk, "activities", "budgets", "new"),
            names__en="Spring", **{"names__zh-hans": "春季"}, of=["festival"], points="1000",
        )  # fmt: skip
        assert draft.document["activities"]["budgets"][0]["of"] == ["festival"]

        response = author.post(
            page("draft-part", draft.pk, "earning"), {"do": "entry-remove:boosts:2", "revision": 2}
        )

        assert response.status_code == 422
        assert "“Spring” › Of what: There is no “festival”." in text_of(response)


class TestActivities:
    NAMED = {"names__en": "New", "names__zh-hans": "新"}

    def new(self, author, draft, listed, field, **changes):
        part = ("activities", listed, "new")
        return refused(author, draft, part, field=field, **self.NAMED, **changes)

    def test_a_cap_of_bought_and_done(self, author, draft):
        told = self.new(
            author, draft, "caps", "v-of", of=["base", "check-in"], points="5", per="day"
        )

        assert told == "A cap is of purchases or of what members do, not of both."

    def test_a_budget_of_points_and_money(self, author, draft):
        part = ("activities", "budgets", "new")
        url = page("draft-entry", draft.pk, *part)

        response = save(author, draft, url, **self.NAMED, of=["base"], points="5", money="5")

        assert response.status_code == 422
        assert "Say how many points or how much money: one of them." in text_of(response)

    def test_a_budget_that_ends_before_it_begins(self, author, draft):
        told = self.new(
            author, draft, "budgets", "v-until", of=["base"], points="5",
            **{"from": "2030-05-02", "until": "2030-05-01"},
        )  # fmt: skip

        assert told == "It ends before it begins."

    def test_a_gift_of_half_a_point(self, author, draft):
        told = self.new(author, draft, "gifts", "v-points", when="joined", points="0.5")

        assert told == "A gift is whole points."


class TestFirstDay:
    @pytest.mark.parametrize("days", [0, -1, -400])
    def test_must_lie_ahead(self, author, draft, days):
        day = (localdate() + timedelta(days=days)).isoformat()

        told = refused(author, draft, ("general",), field="v-valid_from", valid_from=day)

        assert told.startswith("The first day must lie ahead")

    def test_that_does_not_exist(self, author, draft):
        told = refused(author, draft, ("general",), field="v-valid_from", valid_from="2030-02-30")

        assert told == "This day does not exist."
