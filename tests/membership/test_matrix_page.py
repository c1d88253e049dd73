"""The tier × benefit matrix of a draft, edited in place."""

import pytest
from django.urls import reverse

from programme.models import Draft
from tests.benefits.plan import always, discount, publish, service

pytestmark = pytest.mark.django_db


@pytest.fixture
def author(at_work):
    publish(
        service("wash", t1=1, t2=2),
        discount("off", t1="90"),
        always("lane", "t2", kind="standing"),
        always("tow", "t2"),
    )
    return at_work("campaign manager")


@pytest.fixture
def draft(author):
    author.post(reverse("admin:rulebooks"))
    return Draft.objects.get()


def at(draft):
    return reverse("admin:draft-matrix", args=[draft.pk])


def filled(response, **changed):
    """What a browser would send of the page, with some fields filled in otherwise."""
    sent = {"revision": response.context["draft"].revision}
    for row in response.context["rows"]:
        if row.kind == "service":
            sent[f"per-{row.nth}"] = row.per
        for cell in row.cells:
            sent[f"number-{cell.name}"] = cell.number
            if cell.is_always:
                sent[f"always-{cell.name}"] = "1"
    return {name: value for name, value in (sent | changed).items() if value is not None}


def cells(draft):
    draft.refresh_from_db()
    return {each["code"]: each["tiers"] for each in draft.document["benefits"]["of_tiers"]}


def test_saving_it_untouched_changes_nothing(author, draft):
    response = author.get(at(draft))

    assert response.status_code == 200
    assert author.post(at(draft), filled(response)).status_code == 302
    draft.refresh_from_db()
    assert draft.revision == response.context["draft"].revision


def test_cells_are_edited_in_place(author, draft):
    response = author.get(at(draft))
    changed = {
        "per-0": "quarter",
        "number-0-regular": "1",
        "number-0-t2": "",
        "number-1-t2": "85",
        "always-2-t1": "1",
        "always-3-t2": None,
        "number-3-t2": "4",
        "per-3": "year",
    }

    assert author.post(at(draft), filled(response, **changed)).status_code == 302
    assert cells(draft) == {
        "wash": {"regular": {"quarter": 1}, "t1": {"quarter": 1}},
        "off": {"t1": {"pays": "90"}, "t2": {"pays": "85"}},
        "lane": {"t1": {"always": True}, "t2": {"always": True}},
        "tow": {"t2": {"year": 4}},
    }


@pytest.mark.parametrize("typed", ["0", "-1", "x", "1.5", "9999999999"])
def test_what_is_no_quota_is_refused_and_shown_where_it_stands(author, draft, typed):
    before = cells(draft)

    response = author.post(at(draft), filled(author.get(at(draft)), **{"number-0-t2": typed}))

    assert response.status_code == 422
    wrong = [cell.name for row in response.context["rows"] for cell in row.cells if cell.is_wrong]
    assert wrong == ["0-t2"]
    assert f'value="{typed}"' in response.content.decode()
    assert cells(draft) == before


def test_of_two_who_edit_the_second_is_told(author, draft):
    response = author.get(at(draft))
    Draft.objects.filter(pk=draft.pk).update(revision=7)

    assert author.post(at(draft), filled(response, **{"number-0-t2": "3"})).status_code == 409
    assert cells(draft)["wash"]["t2"] == {"month": 2}


def test_the_part_leads_to_it(author, draft):
    page = author.get(reverse("admin:draft-part", args=[draft.pk, "benefits"]))

    assert at(draft) in page.content.decode()


def test_not_for_who_may_not_draft(at_work, draft):
    assert at_work("auditor").get(at(draft)).status_code == 403
