"""The programmes we ship: the console's editor loses nothing of them, the check finds nothing."""

import re
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest
from django.urls import reverse
from django.utils import timezone, translation

from membership.drafts_page import Part, part_names
from programme import checks, documents, operations
from tests.common.test_schemas import there_and_back
from tests.factories import staff

PROGRAMMES = sorted((Path(documents.__file__).parent / "programmes").glob("*.yaml"))

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", PROGRAMMES, ids=lambda path: path.stem)
def test_every_part_of_it_can_be_edited_without_loss(path):
    document = documents.parse(path.read_text())

    for name in part_names():
        part = Part(document, name)
        form = part.form()
        kept = {key: value for key, value in form.value.items() if key not in part.lists}
        assert there_and_back(form.schema, kept, part.root) == kept, name
        for listed in part.lists:
            for nth, entry in enumerate(part.entries(listed)):
                form = part.entry_form(listed, nth)
                assert there_and_back(form.schema, entry, part.root) == entry, (name, nth)


@pytest.mark.parametrize("path", PROGRAMMES, ids=lambda path: path.stem)
def test_nothing_in_it_strikes_the_rule_check(path):
    with translation.override("en"):
        found = checks.run(documents.parse(path.read_text()))

    assert [each.text for each in found if each.severity > checks.Severity.NOTE] == []


@pytest.mark.parametrize("path", PROGRAMMES, ids=lambda path: path.stem)
def test_a_draft_of_it_can_be_begun_on_any_day(path):
    """Also long after its festivals are over."""
    document = documents.parse(path.read_text())
    operations.load(document=document, published_at=timezone.now())

    draft = operations.start_draft(by=staff(), at=timezone.now() + timedelta(days=4000))

    assert draft.document["earning"] == document["earning"]


def test_a_version_reads_in_plain_words(at_work):
    """Tiers, boosts, activities and caps by their names, without a code to be looked up."""
    retail = next(path for path in PROGRAMMES if path.stem == "retail")
    operations.load(document=documents.parse(retail.read_text()), published_at=timezone.now())

    html = at_work("campaign manager").get(reverse("admin:rulebook", args=[1])).content.decode()

    told = " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())
    for sentence in (
        "To reach it: 10,000 qualifying points or a spend of 5,000.00 yuan within 12 months;",
        "Other rate for a tier: Silver: 1 points for every 8; Gold: 1 points for every 5;",
        "Double points on member day, the 8th",
        "Applies when: Member day: Days of the month: 8; Gives: 2 times as much;",
        "Feb. 16, 2026 to Feb. 22, 2026",
        "Of what: Check-in; At most so many points: 365; For each: a year",
        "Of what: Check-in, Share, Large event, Review; At most so many percent: 50;",
    ):
        assert sentence in told, sentence
