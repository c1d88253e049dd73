"""Prize draws over REST."""

import json
import subprocess
import sys
from datetime import timedelta

import pytest
import time_machine

from benefits.models.draws import DrawOutcome
from benefits.operations import draws
from points.queries import balance
from tests.benefits.draw_plan import certain, drafted, prize, published
from tests.benefits.test_draws import DOCS
from tests.factories import api_client, brand, identity, lot, member, staff, store
from tests.factories.points import NOON
from tests.till import Till, refused

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _at_noon():
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def place():
    return store()


@pytest.fixture
def of(place):
    return identity(member(store=place))


@pytest.fixture
def till(place):
    return Till(api_client(place.organization))


def go(till, of, reference="G-1", code="summer", **more):
    return till.send(f"members/{of.number}/draws/{code}/", {"reference": reference}, **more)


def running(till, of):
    answer = till.ask(f"members/{of.number}/draws/")
    assert answer.status_code == 200, answer.content
    return answer.json()["draws"]


def test_tells_odds_price_hash_and_how_often_the_member_may_still_draw(till, of):
    draw = published(
        prize("茶杯", 1_000, 5), prize("积分", 20_000, 9, points=20), entry_points=30,
        limit_count=2, limit_period="DAY",
    )  # fmt: skip
    lot(of, 100, at=NOON - HOUR)
    go(till, of)

    (told,) = running(till, of)
    assert (told["code"], told["seed_hash"]) == ("summer", draw.seed_hash)
    assert (told["points"], told["limit"], told["period"], told["left"]) == (30, 2, "DAY", 1)
    assert [(each["kind"], each["parts"], each["pieces"]) for each in told["prizes"]] == [
        ("THING", 1_000, 5),
        ("POINTS", 20_000, 9),
    ]
    assert "cost" not in told["prizes"][0]


def test_tells_only_of_draws_that_are_open(till, of):
    published(code="summer")
    published(code="later", opens_at=NOON + HOUR)
    published(code="past", opens_at=NOON - HOUR, closes_at=NOON)
    drafted()

    assert [each["code"] for each in running(till, of)] == ["summer"]


def test_counts_each_draw_in_its_own_period_and_only_the_members_own(till, of, place):
    for code, period in {"daily": "DAY", "yearly": "YEAR"}.items():
        published(code=code, limit_count=3, limit_period=period, opens_at=NOON - 24 * HOUR)
    published(code="free")
    other = identity(member(store=place))
    with time_machine.travel(NOON - 24 * HOUR, tick=False):
        assert go(till, of, "before", "daily").status_code == 200
    gone = [(of, "daily"), (of, "yearly"), (of, "yearly"), (of, "free"), (other, "daily")]
    for nth, (who, code) in enumerate(gone):
        assert go(till, who, f"G-{nth}", code).status_code == 200

    left = {each["code"]: each["left"] for each in running(till, of)}
    assert left == {"daily": 2, "yearly": 1, "free": None}


def test_more_draws_are_no_more_queries(till, of, django_assert_max_num_queries):
    for nth in range(5):
        published(code=f"summer-{nth}", limit_count=3, limit_period="DAY")
    running(till, of)
    with django_assert_max_num_queries(5):
        assert len(running(till, of)) == 5


def test_draws_once_however_often_it_is_sent(till, of):
    published(certain(), entry_points=30)
    lot(of, 100, at=NOON - HOUR)

    first = go(till, of)
    assert first.status_code == 200, first.content
    told = first.json()
    assert (told["draw"], told["number"], told["hit"], told["given"]) == ("summer", 1, 0, 0)
    assert (told["kind"], told["points"]) == ("POINTS", 20)
    assert told["handed_over_at"] is not None
    assert go(till, of).json() == told
    assert go(till, of, "G-2", key="K").json() == go(till, of, "G-2", key="K").json()
    assert DrawOutcome.objects.count() == 2
    assert balance(of.id) == 100 - 2 * 30 + 2 * 20


def test_two_organizations_may_use_the_same_reference(till, of):
    published(certain())
    ours = Till(api_client(brand()))

    assert go(till, of).json()["number"] == 1
    assert go(ours, of).json()["number"] == 2


class TestRefusals:
    def test_what_the_member_cannot_pay(self, till, of):
        published(entry_points=30)
        refused(go(till, of), 409, "insufficient_points")
        assert not DrawOutcome.objects.exists()

    def test_more_often_than_it_allows(self, till, of):
        published(limit_count=1, limit_period="DAY")
        assert go(till, of).status_code == 200
        refused(go(till, of, "G-2"), 409, "draw_limit_reached")

    def test_before_it_opens(self, till, of):
        published(opens_at=NOON + HOUR)
        refused(go(till, of), 409, "draw_not_open")

    def test_without_a_ticket(self, till, of):
        published(needs_ticket=True)
        refused(go(till, of), 409, "ticket_needed")

    def test_a_member_whose_age_is_not_known_or_too_low(self, till, of):
        published(age_min=18)
        refused(go(till, of), 409, "birthday_unknown")

    def test_a_reference_of_another_member(self, till, of, place):
        published()
        go(till, of)
        refused(go(till, identity(member(store=place))), 409, "reference_reused")

    def test_another_dealers_member(self, till):
        published()
        refused(go(till, identity(member())), 403, "not_your_member")

    def test_drafts_and_what_there_is_not(self, till, of):
        draft = drafted()
        for code in (draft.code, "none"):
            refused(go(till, of, code=code), 404, "unknown_draw")
            refused(till.ask(f"draws/{code}/"), 404, "unknown_draw")


def test_a_members_outcomes_go_page_by_page_the_latest_first(till, of, place):
    published(prize("茶杯", 1_000_000, 2))
    for nth in range(3):
        go(till, of, f"G-{nth}")
    go(till, identity(member(store=place)), "G-9")

    first = till.ask(f"members/{of.number}/outcomes/?limit=2").json()
    rest = till.ask(f"members/{of.number}/outcomes/?limit=2&cursor={first['next_cursor']}").json()
    told = [*first["results"], *rest["results"]]
    assert [each["number"] for each in told] == [3, 2, 1]
    assert rest["next_cursor"] is None
    assert [each["prize"] for each in told] == [None, {"zh-hans": "茶杯"}, {"zh-hans": "茶杯"}]
    # Owed until staff hand them over.
    assert [each["handed_over_at"] for each in told] == [None] * 3


def test_whoever_joins_the_pages_can_check_the_draw(till, of, tmp_path):
    draw = published(prize("茶杯", 300_000, 1), prize("积分", 500_000, 3, points=20))
    for nth in range(5):
        go(till, of, f"G-{nth}")
    assert till.ask("draws/summer/").json()["seed"] is None
    draws.close(draw_id=draw.pk, by=staff(), at=NOON)

    told = page = till.ask("draws/summer/?limit=2").json()
    while page["next_cursor"]:
        page = till.ask(f"draws/summer/?limit=2&cursor={page['next_cursor']}").json()
        told["outcomes"] += page["outcomes"]

    assert len(told["outcomes"]) == 5
    recipe = DOCS.read_text().split("```python\n")[1].split("```")[0]
    checked = _check(recipe, told, tmp_path)
    assert checked.stdout.startswith("5 outcomes"), checked.stderr
    told["outcomes"][3][1] += 1
    assert _check(recipe, told, tmp_path).returncode != 0


def _check(recipe, told, folder):
    file = folder / "draw.json"
    file.write_text(json.dumps(told))
    return subprocess.run(
        [sys.executable, "-c", recipe, str(file)], capture_output=True, text=True, check=False
    )
