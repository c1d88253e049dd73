"""Research in the console: written down, asked, judged, decided, and looked at afterwards (B7)."""

import re
from datetime import date, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from django.utils.timezone import localdate

from benefits.models.research import Candidate, Evaluation, Survey
from benefits.operations import research
from membership.radar import radar
from tests.benefits import plan
from tests.benefits.wanted import asking, candidate, noon, research_of_all, say
from tests.factories import member, plain, staff

pytestmark = pytest.mark.django_db
QUERIES_MAX = 11
DAY = date(2026, 1, 15)


@pytest.fixture(autouse=True)
def _rules():
    plain()


def page(name, *args):
    return reverse(f"admin:{name}", args=args)


def text_of(response) -> str:
    assert response.status_code == 200, response.status_code
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


NAMES = {"names_zh-hans": "机场贵宾厅", "names_zh-hant": "", "names_en": "Airport lounge"}


def test_a_candidate_is_written_down_changed_and_decided(at_work):
    client = at_work("programme manager")
    given = NAMES | {"source": "partner", "expected_cost": "85.50", "expected_stars": "4.5"}

    made = client.post(page("candidate-new"), given)
    one = Candidate.objects.get()
    assert made.url == page("candidate", one.pk)
    assert (one.names["en"], str(one.expected_cost)) == ("Airport lounge", "85.50")
    client.post(page("candidate-edit", one.pk), given | {"expected_uses": "1200"})
    assert Candidate.objects.get().expected_uses == 1200

    refused = client.post(page("candidate", one.pk), {"decision": "adopt", "reason": ""})
    assert refused.status_code == 422
    client.post(page("candidate", one.pk), {"decision": "adopt", "reason": "会员最想要"})

    told = text_of(client.get(page("candidate", one.pk)))
    assert "Adopted" in told
    assert "会员最想要" in told


def test_who_may_not_decide_is_not_offered_it_and_cannot(at_work):
    one = candidate()
    client = at_work("campaign manager")

    assert 'value="adopt"' not in client.get(page("candidate", one.pk)).content.decode()
    answer = client.post(page("candidate", one.pk), {"decision": "adopt", "reason": "x"})
    assert answer.status_code == 403
    assert Candidate.objects.get().stage == "IDEA"


def test_a_survey_is_drafted_asked_and_closed(at_work):
    two = [candidate("机场贵宾厅"), candidate("代驾")]
    client = at_work("campaign manager")
    today = localdate()
    given = {
        "titles_zh-hans": "您想要什么？", "opens_on": today, "closes_on": today + timedelta(days=7),
    }  # fmt: skip

    client.post(page("survey-new"), given)
    one = Survey.objects.get()
    client.post(page("survey-edit", one.pk), given | {"titles_en": "What would you like?"})
    question = {
        "texts_zh-hans": "哪一个？",
        "kind": "CHOOSE",
        "candidates": [each.pk for each in two],
    }
    refused = client.post(page("survey-question", one.pk), question)
    assert refused.status_code == 200
    assert "two to 12 candidates" in refused.content.decode()
    client.post(page("survey-question", one.pk), question | {"most": 1})
    shown = text_of(client.get(page("survey", one.pk)))
    assert "What would you like?" in shown
    assert "choose at most 1" in shown

    client.post(page("survey", one.pk), {"publish": "1"})
    assert Survey.objects.get().state == "PUBLISHED"
    client.post(page("survey", one.pk), {"drop": str(one.questions.get().pk)})
    assert one.questions.count() == 1
    client.post(page("survey", one.pk), {"close": "1"})
    assert Survey.objects.get().state == "CLOSED"


@pytest.fixture
def over():
    """A survey that is over, with five answers."""
    two = [candidate("=机场贵宾厅"), candidate("代驾")]
    one, (options,) = asking(("RATE", two), on=DAY)
    for _ in range(5):
        say(one, member(), {options[0]: 5, options[1]: 2}, at=noon(DAY))
    return one, two


def test_figures_are_told_when_it_is_over_on_the_page_and_in_a_file(at_work, over):
    one, _two = over
    client = at_work("auditor")

    assert "5.00" in text_of(client.get(page("survey", one.pk)))
    file = client.get(page("survey-file", one.pk)).content.decode()
    assert "代驾" in file
    assert "2.00" in file
    # What a spreadsheet would take for a formula is text.
    assert not re.search(r"(^|,)=", file, re.MULTILINE)


def test_before_that_the_file_tells_nothing_either(at_work):
    evaluation, _one = research_of_all(*(member() for _ in range(6)))
    client = at_work("auditor")

    assert "Figures are shown when the survey is over" in text_of(
        client.get(page("survey", evaluation.survey_id))
    )
    assert "机场" not in client.get(page("survey-file", evaluation.survey_id)).content.decode()


def test_candidates_are_judged_by_several_weighed_and_ranked(at_work, over):
    one, two = over
    client = at_work("programme manager")
    given = {
        "name": "下半年", "survey": one.pk, "attractiveness": 2, "feasibility": 1, "cost": 1,
        "candidates": [each.pk for each in two],
    }  # fmt: skip
    client.post(page("evaluation-new"), given)
    evaluation = Evaluation.objects.get()
    assert "a score is missing" in text_of(client.get(page("evaluation", evaluation.pk)))

    for who, cost in ((client, 1), (at_work("finance"), 2)):
        for each in two:
            who.post(
                page("evaluation-assess", evaluation.pk, each.pk),
                {
                    "feasibility": 4, "feasibility_reason": "已有合作方",
                    "cost": cost, "cost_reason": "每次 30 元",
                },
            )  # fmt: skip

    answer = client.get(page("evaluation", evaluation.pk))
    shown = text_of(answer)
    # (2 × 5 + 4 + 1.5) ÷ 4 and (2 × 2 + 4 + 1.5) ÷ 4
    assert shown.index("3.88") < shown.index("2.38")
    assert "50.00 %" in shown
    assert "每次 30 元" in shown
    html = answer.content.decode()
    assert html.count('class="c-radar"') == 2
    assert "Attractiveness 5.00, Feasibility 4.00, Partner cost 1.50" in html
    mine = client.get(page("evaluation-assess", evaluation.pk, two[0].pk)).content.decode()
    assert "已有合作方" in mine
    file = client.get(page("evaluation-file", evaluation.pk)).content.decode()
    assert "3.88" in file

    client.post(
        page("evaluation-edit", evaluation.pk), given | {"attractiveness": 0, "feasibility": 0}
    )
    assert "1.50" in text_of(client.get(page("evaluation", evaluation.pk)))


def test_the_adopted_is_seen_beside_its_forecast(at_work):
    plan.publish(plan.service("lounge", "month", cost="80", t1=1))
    plan.on("t1")
    plan.night("2026-02-01")
    one = candidate(expected_uses=300, expected_cost=85)
    research.decide_candidate(
        candidate_id=one.pk, adopt=True, reason="x", at=timezone.now(), by=staff()
    )
    client = at_work("programme manager")

    client.post(page("candidate", one.pk), {"benefit": "lounge"})

    shown = text_of(client.get(page("candidate", one.pk)))
    assert "2026 Q1" in shown
    assert "25500.00" in shown.replace(",", "")


def test_pages_ask_few_queries(at_work, over, django_assert_max_num_queries):
    one, two = over
    evaluation = research.write_evaluation(
        name="x", survey_id=one.pk, weights=(1, 1, 1), candidates=[each.pk for each in two],
        by=staff(),
    )  # fmt: skip
    for _ in range(10):
        candidate()
    client = at_work("auditor")

    for name, args in (
        ("research", ()), ("survey", (one.pk,)), ("evaluation", (evaluation.pk,)),
        ("candidate", (two[0].pk,)),
    ):  # fmt: skip
        with django_assert_max_num_queries(QUERIES_MAX):
            client.get(page(name, *args))


def test_the_picture_reaches_as_far_as_the_score():
    drawn = radar("x", [("A", 5), ("B", 1), ("C", None)])

    assert drawn.dots[0] == (drawn.axes[0].x, drawn.axes[0].y)
    assert drawn.dots[2] == (120.0, 104.0)
    assert drawn.summary == "x: A 5, B 1, C –"
