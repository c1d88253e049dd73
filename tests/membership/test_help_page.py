"""Whom members ask, and answers to what they ask often."""

import re
from pathlib import Path

import pytest
from django.urls import reverse
from django.utils import timezone

from programme import documents, operations
from programme.models import Programme
from programme.queries import export, forget_cached
from tests.factories import member, plain
from tests.factories.programme import PLAIN
from tests.membership.test_web import logged_in, text_of

pytestmark = pytest.mark.django_db
CONTACT = {
    "hotline": "+86 400-800 (1234)",
    "email": "care@example.com",
    "hours": {"zh-hans": "每天 9:00–21:00", "en": "Daily 9–21"},
    "address": {"zh-hans": "上海市示例路 1 号", "en": "1 Example Road"},
}
QUESTION = {
    "code": "vin",
    "names": {"zh-hans": "车架号在哪里？", "en": "Where is the VIN?"},
    "answer": {"zh-hans": "行驶证上。\n也在挡风玻璃左下角。", "en": "On your papers."},
}


def programme(**told):
    document = documents.parse(PLAIN.read_text())
    document["programme"] |= told
    loaded = operations.load(document=document, published_at=timezone.now())
    forget_cached()
    return loaded.version


def test_tells_visitors_whom_to_ask(client):
    programme(contact=CONTACT, questions=[QUESTION])

    page = client.get("/help/", headers={"Accept-Language": "zh-hans"})

    text = text_of(page)
    for told in ("+86 400-800 (1234)", "care@example.com", "每天 9:00–21:00", "示例路 1 号"):
        assert told in text
    assert "车架号在哪里？" in text
    html = page.content.decode()
    assert 'href="tel:+864008001234"' in html
    assert 'href="mailto:care@example.com"' in html
    assert "行驶证上。<br>也在挡风玻璃左下角。" in html


def test_speaks_the_readers_language(client):
    programme(contact=CONTACT, questions=[QUESTION])

    text = text_of(client.get("/help/", headers={"Accept-Language": "en"}))

    assert "Daily 9–21" in text
    assert "Where is the VIN? On your papers." in text
    # What nobody said in a language is said in the programme's own.
    assert "车架号在哪里？" in text_of(client.get("/help/", headers={"Accept-Language": "zh-hant"}))


def test_without_a_contact_it_sends_to_the_store(client):
    plain()

    assert "ask at your store" in text_of(client.get("/help/", headers={"Accept-Language": "en"}))


def test_answers_by_the_rulebook_of_the_day(client):
    plain()

    text = text_of(client.get("/help/", headers={"Accept-Language": "en"}))

    assert "Points live: 12 months, to the end of that month after the day" not in text
    assert "Points live: 12 months" in text
    assert "If you have spent them: the balance goes below zero" in text


def test_works_before_there_is_any_programme(client):
    forget_cached()

    page = client.get("/help/", headers={"Accept-Language": "en"})

    assert page.status_code == 200
    assert "How do I change my phone number?" in text_of(page)


def test_members_get_there_from_every_page_with_their_own_frame():
    plain()
    client = logged_in(member())

    assert f'href="{reverse("help")}"' in client.get("/").content.decode()
    assert 'class="tabs"' in client.get("/help/").content.decode()


def test_every_link_of_an_answer_opens():
    plain()
    client = logged_in(member())
    html = client.get("/help/").content.decode()
    main = html[html.index("<main") : html.index("</main>")]

    for link in re.findall(r'href="(/[^"]*)"', main):
        assert client.get(link).status_code == 200, link


def test_costs_no_more_queries_than_other_pages(django_assert_max_num_queries):
    plain()
    client = logged_in(member())
    client.get("/help/")

    with django_assert_max_num_queries(4):
        client.get("/help/")


class TestDocument:
    def test_is_exported_as_it_was_loaded(self):
        version = programme(contact=CONTACT, questions=[QUESTION])

        told = export(version)["programme"]

        assert (told["contact"], told["questions"]) == (CONTACT, [QUESTION])
        assert documents.parse(documents.render(export(version)))["programme"] == told

    def test_what_is_left_out_is_gone(self):
        programme(contact=CONTACT, questions=[QUESTION])

        version = programme()

        assert (Programme.objects.get().contact, Programme.objects.get().questions) == ({}, [])
        assert set(export(version)["programme"]) == {
            "code", "names", "currency", "points_per_currency_unit", "color",
        }  # fmt: skip

    @pytest.mark.parametrize(
        "told",
        [
            {"contact": {"hotline": "call us"}},
            {"contact": {"hotline": "1"}},
            {"contact": {"email": "nobody"}},
            {"contact": {"email": "a@b"}},
            {"contact": {"hours": "always"}},
            {"contact": {"address": {"en": "only English"}}},
            {"contact": {"fax": "1234"}},
            {"questions": [{"code": "vin"}]},
            {"questions": [QUESTION | {"answer": {"en": "only English"}}]},
            {"questions": [QUESTION | {"answer": {"zh-hans": "\x00"}}]},
            {"questions": [QUESTION, QUESTION]},
            {"questions": [QUESTION] * 51},
        ],
    )
    def test_nonsense_is_refused(self, told):
        with pytest.raises(documents.InvalidProgramme):
            programme(**told)

        assert not Programme.objects.exists()


@pytest.mark.parametrize("name", ["car-owner", "retail"])
def test_shipped_programmes_say_nothing_about_somebody_elses_hotline(name):
    text = (Path(documents.__file__).parent / "programmes" / f"{name}.yaml").read_text()

    assert "contact" not in documents.parse(text)["programme"]
