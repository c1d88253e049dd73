import json
from collections import Counter
from datetime import date, timedelta
from io import StringIO

import pytest
from django.contrib.auth.hashers import check_password
from django.core.management import CommandError, call_command
from django.utils import timezone

from benefits.models import Right
from benefits.models.coupons import Coupon
from benefits.models.draws import Draw
from benefits.models.research import Answer, Candidate, Evaluation, Survey
from benefits.queries import draws as draw_queries
from campaigns import segments
from campaigns.models import Segment
from common.models import JobRun, User
from members.models import (
    Application,
    Consent,
    Duplicate,
    GroupMember,
    Member,
    Tag,
)
from members.phones import normalize
from members.queries import phone_index
from membership.demo import building, cast, desk, logins, rules, story, treats, wishes
from partners.models import ApiClient, Organization, Scope, Store
from points import nightly
from points.models import Account, Activity, Entry
from programme import operations
from tests import factories
from tiers.models import DowngradeWarning, Proposal, Standing

END = date(2026, 11, 22)
START = END - story.LENGTH
# As the standard has them; what the code knows is not asked.
VIN_VALUES = dict(
    zip(
        "0123456789ABCDEFGHJKLMNPRSTUVWXYZ",
        map(int, "012345678912345678123457923456789"),
        strict=True,
    )
)
VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


class TestCast:
    def test_the_same_people_every_time(self):
        people = cast.people(start=START, end=END)

        assert people == cast.people(start=START, end=END)
        assert len(people) == cast.MEMBERS == 300
        assert len({person.phone for person in people}) == 300
        assert len({person.vin for person in people}) == 300
        assert all(normalize(person.phone) == person.phone for person in people)
        assert all(START <= person.joined_on < END for person in people)

    def test_names_of_two_characters_of_compound_surnames_and_rare_ones(self):
        names = [person.name for person in cast.people(start=START, end=END)]

        assert any("𠮷" in name for name in names)
        assert any("㑇" in name for name in names)
        assert any(len(name) == 2 for name in names)
        assert any(name[:2] in cast.COMPOUND_SURNAMES for name in names)

    def test_vins_check_themselves(self):
        # A VIN whose check character is published: position nine is X.
        known = "1M8GDM9AXKP042788"
        values = [VIN_VALUES[character] for character in known]
        total = sum(v * w for v, w in zip(values, VIN_WEIGHTS, strict=True))
        assert total % 11 == 10

        for person in cast.people(start=START, end=END):
            values = [VIN_VALUES[character] for character in person.vin]
            total = sum(v * w for v, w in zip(values, VIN_WEIGHTS, strict=True))
            assert person.vin[8] == ("X" if total % 11 == 10 else str(total % 11))
            assert len(person.vin) == 17


class TestStory:
    @pytest.mark.parametrize("end", [END, date(2024, 2, 29), date(2027, 1, 1), date(2026, 3, 31)])
    def test_it_runs_in_order_and_ends_yesterday(self, end):
        people = cast.people(start=end - story.LENGTH, end=end)
        events = story.story(people, end=end)

        assert [event.at for event in events] == sorted(event.at for event in events)
        assert {timezone.localdate(event.at) for event in events} <= {
            end - timedelta(days=n) for n in range(1, story.LENGTH.days + 1)
        }
        assert events == story.story(people, end=end)
        kinds = {type(event) for event in events}
        assert kinds == {
            story.Joined,
            story.Visited,
            story.Returned,
            story.Redeemed,
            story.Did,
            story.Applied,
            story.Froze,
            story.Left,
        }

    def test_nobody_does_anything_before_joining(self):
        joined = {}
        for event in story.story(cast.people(start=START, end=END), end=END):
            if isinstance(event, story.Joined):
                joined[event.person.phone] = event.at
            assert joined[event.person.phone] <= event.at


@pytest.fixture
def few(monkeypatch):
    """The story of some forty people, among them all with a part of their own."""
    people = cast.people
    chosen = {*range(20), *story.CLOSED, *story.FROZEN, *range(285, 300)}
    monkeypatch.setattr(
        cast,
        "people",
        lambda **days: [person for person in people(**days) if person.position in chosen],
    )
    return len(chosen)


@pytest.fixture
def sandbox(db, settings):
    settings.SANDBOX = True
    factories.main_store()
    return settings


def demo(*options):
    out = StringIO()
    call_command("demo", *options, stdout=out, stderr=StringIO())
    return out.getvalue()


class TestDemo:
    def test_a_club_with_a_history_that_adds_up(self, sandbox, few):
        demo()

        assert Organization.objects.get(kind="BRAND").name == cast.CLUB
        assert Organization.objects.filter(kind="DEALER").count() == 8
        assert Store.objects.count() == 16
        states = {state: Member.objects.filter(status=state).count() for state in MEMBER_STATES}
        twins = len(desk.TWINS)
        assert states == {
            "ACTIVE": few - 23 + twins,
            "PRE_REGISTERED": 15,
            "FROZEN": 5,
            "CLOSED": 3,
        }
        for kind in ("EARN", "REDEEM", "REVERSE", "EXPIRE"):
            assert Entry.objects.filter(kind=kind).exists(), kind
        assert Account.objects.filter(balance__lt=0).count() == 1
        assert Member.objects.get(name="李𠮷").products.get().identifier.startswith("L")
        categories = {line["category"] for each in Activity.objects.all() for line in each.lines}
        assert categories == {"labour", "parts", "accessories", "insurance"}
        self.check_tiers()
        self.check_desk()
        self.check_treats()
        self.check_wishes()
        used = set(Right.objects.filter(store__isnull=False).values_list("state", flat=True))
        assert {"DELIVERED", "RATED"} <= used
        today = timezone.localdate()
        assert nightly.verify_ledger(day=today)["differences"] == 0
        assert not Activity.objects.filter(occurred_at__date__gte=today).exists()

        before = (Entry.objects.count(), Member.objects.count())
        assert "there already" in demo()
        assert (Entry.objects.count(), Member.objects.count()) == before

        self.check_logins(sandbox)

    def check_tiers(self):
        levels = set(Standing.objects.values_list("level", flat=True))
        assert {"silver", "gold", "diamond"} <= levels
        rising, falling, applicant = (
            Standing.objects.get(member__phone_entry__phone_index=phone_index(cast.phone(position)))
            for position in (story.RISING, story.FALLING, story.APPLICANT)
        )
        assert (rising.level, falling.level, applicant.level) == ("silver", "silver", "gold")
        assert DowngradeWarning.objects.filter(member_id=falling.pk).exists()
        proposal = Proposal.objects.get()
        assert (proposal.member_id, proposal.level, proposal.state) == (
            applicant.pk,
            "diamond",
            "WAITING",
        )
        boosts = {
            boost["code"]
            for each in Activity.objects.filter(kind="PURCHASE")
            for boost in each.explanation.get("boosts", [])
        }
        assert {rules.SEASON, "birthday-month", "first-order", "member-day"} <= boosts
        done = set(Activity.objects.filter(kind="ACTIVITY").values_list("code", flat=True))
        assert {"check-in", "review", "share", "large-event"} <= done

    def check_desk(self):
        """No page of the console is empty, and nothing is there twice."""
        places = GroupMember.objects.filter(left_at=None)
        assert places.filter(kind="FAMILY", shares=True).count() == len(desk.FAMILY)
        assert places.filter(kind="COMPANY").count() == 1 + len(desk.DRIVERS)
        assert set(desk.TAGS) <= set(Tag.objects.values_list("name", flat=True))
        assert Segment.objects.count() == len(desk.SEGMENTS)
        assert Segment.objects.get(tag__name="高消费")
        today = timezone.localdate()
        assert all(segments.member_ids(each, day=today) for each in Segment.objects.all())
        assert Consent.objects.count() == len(desk.AGREED)
        waiting = Application.objects.filter(state="APPLIED")
        assert (waiting.count(), Application.objects.count()) == (3, 4)
        assert Duplicate.objects.filter(judged_at=None).count() == len(desk.TWINS)

    def check_treats(self):
        """One holds a coupon, one draw runs and one can be checked by anybody."""
        assert Coupon.objects.filter(member__isnull=False).exists()
        over, runs = (Draw.objects.get(code=code) for code in (treats.OVER, treats.RUNS))
        assert (over.state, runs.state) == ("CLOSED", "RUNNING")
        assert runs.drawn > 0
        assert list(draw_queries.differences(over)) == []

    def check_wishes(self):
        """A survey runs and was answered; of its candidates one is adopted and one is not."""
        survey = Survey.objects.get()
        assert survey.state == "PUBLISHED"
        assert Answer.objects.count() > 10
        stages = Counter(Candidate.objects.values_list("stage", flat=True))
        assert stages == {"IDEA": 4, "ADOPTED": 1, "REJECTED": 1}
        assert Evaluation.objects.get().candidates.count() == len(wishes.CANDIDATES)

    def check_logins(self, sandbox):
        told = json.loads(demo("--logins"))

        assert [each["username"] for each in told["staff"]] == [
            "admin",
            "care",
            "planner",
            "manager",
            "auditor",
            "dealer",
            "clerk",
        ]
        for each in told["staff"]:
            assert User.objects.get(username=each["username"]).check_password(each["password"])
        assert User.objects.get(username="admin").is_superuser
        care = User.objects.get(username="care")
        assert not care.is_superuser
        assert [group.name for group in care.groups.all()] == ["customer care"]
        assert care.has_perm("points.adjust_points")
        dealer = User.objects.get(username="dealer")
        assert dealer.placement.organization.code == "SHHT"
        assert len(told["members"]) == len({each["phone"] for each in told["members"]}) == 8
        for each in told["members"]:
            member = Member.objects.get(phone_entry__phone_index=phone_index(each["phone"]))
            assert each["name"].startswith(member.name)
        [client] = told["clients"]
        found = ApiClient.objects.get(client_id=client["client_id"])
        assert check_password(client["client_secret"], found.client_secret)
        assert set(found.scopes) == set(Scope.values)
        assert found.organization.code == "SHHT"
        assert told == json.loads(demo("--logins"))

    def test_stopped_half_way_it_ends_as_if_it_had_not_been(self, sandbox, few):
        run = building.begin(today=timezone.localdate())
        operations.load(document=rules.document(today=run.day), published_at=timezone.now())
        staff = logins.staff()
        half = building.build(
            run=run, care=staff["care"], writer=staff["planner"], approver=staff["manager"]
        )
        for _ in range(150):
            next(half)
        half.close()
        assert JobRun.objects.get(name=building.JOB).finished_at is None

        demo()

        assert Member.objects.count() == few + len(desk.TWINS)
        self.check_desk()
        self.check_treats()
        self.check_wishes()
        events = story.story(cast.people(start=run.day - story.LENGTH, end=run.day), end=run.day)
        visits = sum(isinstance(event, story.Visited) for event in events)
        assert Activity.objects.filter(kind="PURCHASE").count() == visits
        assert nightly.verify_ledger(day=timezone.localdate())["differences"] == 0


MEMBER_STATES = ("ACTIVE", "PRE_REGISTERED", "FROZEN", "CLOSED")


def test_tiers_have_benefits_of_every_sort():
    made = rules.document(today=date(2026, 7, 5))
    kinds = {each["code"]: set(each["tiers"]) for each in made["benefits"]["of_tiers"]}
    levels = {each["code"] for each in made["tiers"]["levels"]}

    assert {
        "shop-discount", "member-day-discount", "birthday-gift", "shop-voucher", "health-check",
        "private-custom", "fast-lane", "response-24h", "dedicated-service", "season-check",
        "labour-offset", "insurance-discount", "roadside", "pick-up", "airport",
    } == set(kinds)  # fmt: skip
    assert all(tiers and tiers <= levels for tiers in kinds.values())
    assert "regular" in kinds["roadside"]


def test_without_the_demo_there_are_staff_and_nobody_else(db, settings):
    settings.SANDBOX = True

    told = json.loads(demo("--logins"))

    assert [each["username"] for each in told["staff"]] == [
        "admin",
        "care",
        "planner",
        "manager",
        "auditor",
    ]
    assert (told["members"], told["clients"]) == ([], [])


class TestOutsideASandbox:
    @pytest.mark.parametrize("options", [(), ("--logins",)])
    def test_there_is_no_demo_and_there_are_no_logins(self, db, settings, options):
        settings.SANDBOX = False

        with pytest.raises(CommandError, match="sandbox"):
            demo(*options)

        assert not User.objects.exists()
        assert not Member.objects.exists()
        assert not JobRun.objects.exists()

    def test_passwords_differ_between_installations_and_names(self, settings):
        here = {logins.derived("admin"), logins.derived("care")}
        settings.SECRET_KEY = "another installation's key"

        assert len(here | {logins.derived("admin"), logins.derived("care")}) == 4
