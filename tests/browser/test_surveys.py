"""A member says what they would like, on a phone; staff look at what it comes to (B7)."""

from datetime import timedelta

import pytest
from django.utils.timezone import localdate
from playwright.sync_api import expect

from benefits.models.research import Answer, Candidate, Dimension
from benefits.operations import research
from benefits.queries import research as queries
from tests.benefits.wanted import asking, candidate, noon, say
from tests.browser.conftest import log_in_staff
from tests.browser.test_every_page import is_for_everybody, session
from tests.factories import member, plain, staff

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
NAMES = ("机场贵宾厅", "代驾服务", "上门取送车", "儿童安全座椅")


@pytest.fixture
def wanted():
    plain()
    by = staff(username="boss")
    return [candidate(name, by=by, expected_uses=300) for name in NAMES]


@pytest.mark.parametrize("java_script", [True, False])
def test_a_member_answers_and_changes_it(open_page, live_server, wanted, java_script):
    one, (choose, rate, rank) = asking(
        ("CHOOSE", wanted, 2), ("RATE", wanted[:2]), ("RANK", wanted[:3])
    )
    who = member(name="王小明")
    page = open_page("/login/", java_script_enabled=java_script)
    page.context.add_cookies([session(who, live_server.url)])
    page.goto("/profile/")
    page.locator("a[href='/surveys/']").click()
    page.locator(f"a[href='/surveys/{one.pk}/']").click()

    # With the keyboard alone: ticks by space, stars by arrows.
    page.get_by_label(NAMES[0]).first.focus()
    page.keyboard.press("Space")
    for option, stars in zip(rate, (4, 2), strict=True):
        page.locator(f"[name=o{option}][value='{stars - 1}']").focus()
        page.keyboard.press("ArrowRight")
    for option in rank:
        page.locator(f"[name=o{option}]").select_option("1")
    page.locator("main button.primary").click()
    expect(page.get_by_role("alert").first).to_be_visible()
    if java_script:  # without scripts, none looks for barriers either
        is_for_everybody(page)
    for place, option in enumerate(rank, 1):
        page.locator(f"[name=o{option}]").select_option(str(place))
    page.locator("main button.primary").click()

    expect(page.get_by_role("status")).to_be_visible()
    expected = {choose[0]: 1, rate[0]: 4, rate[1]: 2, rank[0]: 1, rank[1]: 2, rank[2]: 3}
    assert queries.replies_of(Answer.objects.get(member=who)) == expected
    page.locator(f"a[href='/surveys/{one.pk}/']").click()
    expect(page.get_by_label(NAMES[0]).first).to_be_checked()
    page.get_by_label(NAMES[1]).first.check()
    page.locator("main button.primary").click()
    expect(page.get_by_role("status")).to_be_visible()
    assert queries.replies_of(Answer.objects.get(member=who)) == expected | {choose[1]: 1}


@pytest.fixture
def judged(wanted):
    """A survey that is over, and what staff say of the candidates."""
    day = localdate() - timedelta(days=60)
    one, (options,) = asking(("RATE", wanted), on=day)
    for _ in range(5):
        stars = dict(zip(options, (5, 4, 4, 2), strict=True))
        say(one, member(), stars, at=noon(day))
    by = staff()
    evaluation = research.write_evaluation(
        name="2026 下半年", survey_id=one.pk, weights=(2, 1, 1),
        candidates=[each.pk for each in wanted], by=by,
    )  # fmt: skip
    for each, scores in zip(wanted, ((4, 2), (3, 4), (4, 3)), strict=False):
        research.assess(
            evaluation_id=evaluation.pk,
            candidate_id=each.pk,
            scores={
                Dimension.FEASIBILITY: (scores[0], "已有合作方"),
                Dimension.COST: (scores[1], "每次约 85 元"),
            },
            at=noon(day),
            by=by,
        )
    return evaluation


@pytest.mark.parametrize(
    "options", [{}, {"viewport": {"width": 1280, "height": 900}}, {"color_scheme": "dark"}]
)
def test_staff_rank_and_adopt(open_page, judged, options):
    page = open_page("/console/", **options)
    log_in_staff(page)
    best = Candidate.objects.get(names__contains={"zh-hans": NAMES[0]})

    for path in (
        "", "candidates/new/", f"surveys/{judged.survey_id}/", "surveys/new/",
        f"evaluations/{judged.pk}/edit/", f"evaluations/{judged.pk}/{best.pk}/",
        f"evaluations/{judged.pk}/",
    ):  # fmt: skip
        page.goto(f"/console/research/{path}")
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(wide) == 0, path
    pictures = page.locator(".c-radar")
    expect(pictures).to_have_count(4)
    expect(pictures.first).to_have_role("img")
    assert NAMES[0] in pictures.first.get_attribute("aria-label")

    page.locator("table").get_by_role("link", name=NAMES[0]).click()
    page.locator("[name=reason]").fill("会员最想要，合作方已谈妥")
    page.locator("button[value=adopt]").click()

    expect(page.locator(".c-name .c-success")).to_be_visible()
    best.refresh_from_db()
    assert best.stage == "ADOPTED"
