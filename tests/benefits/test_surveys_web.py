"""Members answer on their own pages."""

import pytest
from django.test import Client
from django.urls import reverse

from benefits.models.research import Answer
from benefits.operations import surveys
from benefits.queries import research as queries
from members import operations as members
from tests.benefits.wanted import asking, candidate
from tests.factories import member, plain, staff

pytestmark = pytest.mark.django_db
LIST = "/surveys/"
QUERIES_MAX = 10


@pytest.fixture
def who():
    plain()
    return member(name="王小明")


@pytest.fixture
def browser(who):
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(members.login_for(member_id=who.pk))
    return client


@pytest.fixture
def asked(who):
    three = [candidate(name) for name in ("机场贵宾厅", "代驾", "洗车")]
    return asking(("CHOOSE", three, 2), ("RATE", three), ("RANK", three))


def filled(asked, *, chosen=1, first=1):
    one, (choose, rate, rank) = asked
    question = one.questions.get(kind="CHOOSE")
    return (
        {f"q{question.pk}": choose[:chosen]}
        | {f"o{pk}": 4 for pk in rate}
        | {f"o{pk}": str(nth) for nth, pk in enumerate(rank, first)}
    )


def test_a_visitor_is_asked_to_log_in():
    assert Client().get(LIST).url.startswith(reverse("login"))


def test_what_is_asked_is_listed_answered_and_changed(browser, asked, who):
    one, (choose, rate, rank) = asked
    page = f"{LIST}{one.pk}/"
    assert page in browser.get(LIST).content.decode()

    answer = browser.post(page, filled(asked, chosen=2))

    assert answer.url == f"{LIST}?thanks"
    listed = browser.get(answer.url).content.decode()
    assert "Thank you" in listed
    assert "answered" in listed
    again = browser.get(page).content.decode()
    assert again.count("checked") == 2 + 3
    browser.post(page, filled(asked, chosen=1))
    said = queries.replies_of(Answer.objects.get(member=who))
    assert said == {choose[0]: 1} | dict.fromkeys(rate, 4) | dict(zip(rank, (1, 2, 3), strict=True))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"chosen": 3}, "Choose up to 2."),
        ({"chosen": 0}, "This field is required."),
        ({"first": 2}, "Select a valid choice"),
    ],
)
def test_what_is_not_answered_as_asked_is_said_beside_it(browser, asked, change, told):
    answer = browser.post(f"{LIST}{asked[0].pk}/", filled(asked, **change))

    assert answer.status_code == 422
    assert told in answer.content.decode()
    assert Answer.objects.count() == 0


def test_two_on_one_place_are_told_so(browser, asked):
    one, (_choose, _rate, rank) = asked
    given = filled(asked) | {f"o{rank[1]}": "1"}

    answer = browser.post(f"{LIST}{one.pk}/", given)

    assert "Give each a place of its own." in answer.content.decode()


def test_who_is_not_asked_sees_nothing_of_it(browser, asked):
    one, _options = asked
    surveys.close_survey(survey_id=one.pk, by=staff())

    assert browser.get(f"{LIST}{one.pk}/").status_code == 404
    assert "nothing to answer" in browser.get(LIST).content.decode()


def test_asks_few_queries_however_many_surveys(browser, asked, django_assert_max_num_queries):
    for _ in range(10):
        asking(("RATE", [candidate("a"), candidate("b")]))

    for page in (LIST, f"{LIST}{asked[0].pk}/"):
        with django_assert_max_num_queries(QUERIES_MAX):
            browser.get(page)
