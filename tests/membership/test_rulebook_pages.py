"""The rulebook at the console: versions, drafts, the editor, comparison and the rule check."""

import re
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone
from django.utils.timezone import localdate

from common.models import Approval, ApprovalState
from programme import checks, documents, queries
from programme.checks import Finding, Severity
from programme.models import Draft, DraftState, Version
from tests.factories import plain, staff, store
from tests.membership.conftest import console

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _rules():
    plain()


@pytest.fixture
def author(at_work):
    return at_work("campaign manager")


@pytest.fixture
def second():
    user = staff(username="second", is_superuser=False)
    user.groups.add(Group.objects.get(name="programme manager"))
    return console(user)


@pytest.fixture
def draft(author):
    author.post(page("rulebooks"))
    return Draft.objects.get()


def with_tiers(draft):
    """The draft with a ladder of two, as if they had been drafted."""
    base = {"code": "regular", "names": {"zh-hans": "普通", "en": "Regular"}, "color": "#000000"}
    gold = {"code": "gold", "names": {"zh-hans": "金卡", "en": "Gold"}, "color": "#000000"}
    gold["upgrade"] = {"measure": "points", "at_least": "10000"}
    draft.document = draft.document | {"tiers": {"levels": [base, gold]}}
    draft.save()


def page(name, *args):
    return reverse(f"admin:{name}", args=args)


def text_of(response) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


class Fields(HTMLParser):
    """What a browser would send of the last form with a field named `v…`."""

    def __init__(self, html):
        super().__init__()
        self.sent = {}
        self._select = self._textarea = None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        at = dict(attrs)
        name = at.get("name", "")
        if tag == "input" and name.startswith("v"):
            if at.get("type") != "checkbox" or "checked" in at:
                self.sent.setdefault(name, []).append(at.get("value", ""))
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and "selected" in at:
            self.sent[self._select] = [at["value"]]
        elif tag == "option" and self._select:
            self.sent.setdefault(self._select, [at["value"]])
        elif tag == "textarea":
            self._textarea = name
            self.sent[name] = [""]

    def handle_data(self, data):
        if self._textarea:
            self.sent[self._textarea] = [self.sent[self._textarea][0] + data]

    def handle_endtag(self, tag):
        if tag == "select":
            self._select = None
        if tag == "textarea":
            self._textarea = None


def fields(client, url):
    """The fields of an editor's page as they stand there."""
    sent = Fields(client.get(url).content.decode()).sent
    return {name: value for name, value in sent.items() if name.startswith("v")}


def save(client, draft, url, *, without=(), **changes):
    """Send an editor's form with some fields changed; “.” is written “__” in keywords."""
    draft.refresh_from_db()
    data = fields(client, url) | {
        f"v.{name.replace('__', '.').replace('_at_', '@')}": value
        for name, value in changes.items()
    }
    data = {name: value for name, value in data.items() if name not in without}
    response = client.post(url, data | {"revision": draft.revision})
    draft.refresh_from_db()
    return response


class TestList:
    def test_shows_versions_with_their_days_and_what_is_in_force(self, author):
        text = text_of(author.get(page("rulebooks")))

        for shown in ("v1", "1900", "further notice", "In force today"):
            assert shown in text

    def test_who_only_reads_is_offered_nothing(self, at_work):
        reader = at_work("customer care")

        assert "Begin a draft" not in text_of(reader.get(page("rulebooks")))
        assert reader.post(page("rulebooks")).status_code == 403
        assert not Draft.objects.exists()

    def test_begins_a_draft_of_the_newest_version(self, author):
        response = author.post(page("rulebooks"))

        draft = Draft.objects.get()
        assert response.url == page("draft", draft.pk)
        assert draft.created_by == author.user
        assert "#1" in str(draft) or str(draft) in text_of(author.get(page("rulebooks")))

    def test_begins_a_draft_of_a_downloaded_file(self, author):
        file = author.get(page("rulebook-file", 1))
        assert "plain-v1.yaml" in file["Content-Disposition"]
        first_day = localdate() + timedelta(days=40)
        content = file.content.replace(b"'1900-01-01'", f"'{first_day}'".encode())

        author.post(
            page("rulebooks"), {"upload": "1", "file": SimpleUploadedFile("x.yaml", content)}
        )

        assert Draft.objects.get().document["valid_from"] == first_day.isoformat()

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (b"format: [", "not valid"),
            (b"\xff\xfe", "not UTF-8"),
            (b"", "empty"),
            (b"# nothing\n", "there is nothing in it"),
            (b"[]", "This does not make sense here."),
            (b"format: 1\n", "Valid from: This is missing."),
        ],
    )
    def test_says_what_is_wrong_with_a_file(self, author, content, told):
        response = author.post(
            page("rulebooks"), {"upload": "1", "file": SimpleUploadedFile("x.yaml", content)}
        )

        assert response.status_code == 422
        assert not Draft.objects.exists()
        assert told in text_of(response)
        assert not Draft.objects.exists()

    def test_says_beside_the_file_that_its_day_has_passed(self, author):
        content = author.get(page("rulebook-file", 1)).content

        response = author.post(
            page("rulebooks"), {"upload": "1", "file": SimpleUploadedFile("x.yaml", content)}
        )

        assert "Valid from: The first day must lie ahead" in text_of(response)


PARTS = ["general", "policies", "earning", "programme"]


class TestEditor:
    @pytest.mark.parametrize("part", PARTS)
    def test_sent_as_it_is_it_changes_nothing(self, author, draft, part):
        before = draft.document

        response = save(author, draft, page("draft-part", draft.pk, part))

        assert response.status_code == 302, text_of(response)
        assert (draft.revision, draft.document) == (1, before)

    def test_an_entry_sent_as_it_is_changes_nothing(self, author, draft):
        before = draft.document

        response = save(author, draft, page("draft-entry", draft.pk, "earning", "rules", "0"))

        assert response.status_code == 302, text_of(response)
        assert (draft.revision, draft.document) == (1, before)

    def test_changes_a_field(self, author, draft):
        save(
            author,
            draft,
            page("draft-entry", draft.pk, "earning", "rules", "0"),
            points="1.5",
            categories_at_more="parts, labour",
        )

        rule = draft.document["earning"]["rules"][0]
        assert (rule["points"], rule["categories"]) == ("1.5", ["parts", "labour"])
        assert draft.revision == 2

    def test_what_is_optional_is_left_out_when_left_empty(self, author, draft):
        url = page("draft-part", draft.pk, "policies")
        save(author, draft, url, holds__minutes="30")
        assert draft.document["policies"]["holds"] == {"minutes": 30}

        save(author, draft, url, holds__minutes="")

        assert "holds" not in draft.document["policies"]

    def test_another_shape_has_its_own_fields(self, author, draft):
        url = page("draft-part", draft.pk, "policies")
        data = fields(author, url) | {"v.validity@kind": "date", "do": "show:v.validity"}

        response = author.post(url, data | {"revision": 1})

        html = response.content.decode()
        assert 'name="v.validity.date"' in html
        assert 'name="v.validity.months"' not in html
        draft.refresh_from_db()
        assert draft.revision == 1, "nothing is saved until it is told to"
        save(author, draft, url, validity_at_kind="date", validity__date="2030-12-31")
        assert draft.document["policies"]["validity"] == {"date": "2030-12-31"}

    def test_rows_are_added_moved_and_removed_without_a_script(self, author, draft):
        url = page("draft-part", draft.pk, "policies")

        def press(button, data):
            response = author.post(url, data | {"do": button, "revision": 1})
            sent = Fields(response.content.decode()).sent
            return {name: value for name, value in sent.items() if name.startswith("v")}

        data = press("add:v.funding", fields(author, url))
        data = press(
            "add:v.funding", data | {"v.funding.0.payer": "brand", "v.funding.0.share": "70"}
        )
        data |= {"v.funding.1.payer": "store", "v.funding.1.share": "30"}
        data = press("down:v.funding.0", data)
        assert data["v.funding.0.payer"] == ["store"]
        data = press("up:v.funding.1", data)
        assert data["v.funding.0.payer"] == ["brand"]
        data = press("up:v.funding.1", data)
        data = press("add:v.funding", data)
        data = press("remove:v.funding.2", data)
        author.post(url, data | {"revision": 1})

        draft.refresh_from_db()
        assert draft.document["policies"]["funding"] == [
            {"payer": "store", "share": "30"},
            {"payer": "brand", "share": "70"},
        ]

    def test_a_mapping_has_rows_with_a_key(self, author, draft):
        with_tiers(draft)
        url = page("draft-part", draft.pk, "policies")
        data = fields(author, url)
        response = author.post(url, data | {"do": "pair:v.validity.extra_months"})
        data = Fields(response.content.decode()).sent
        assert "v.validity.extra_months.0@key" in data

        data |= {"v.validity.extra_months.0@key": "gold", "v.validity.extra_months.0": "6"}
        author.post(url, data | {"revision": draft.revision})

        draft.refresh_from_db()
        assert draft.document["policies"]["validity"]["extra_months"] == {"gold": 6}

    def test_a_key_given_twice_is_refused(self, author, draft):
        url = page("draft-part", draft.pk, "policies")

        response = save(
            author,
            draft,
            url,
            validity__extra_months_at_rows="2",
            validity__extra_months__0_at_key="gold",
            validity__extra_months__0="6",
            validity__extra_months__1_at_key="gold",
            validity__extra_months__1="7",
        )

        assert response.status_code == 422
        assert "The same is there twice." in text_of(response)

    def test_errors_stand_beside_their_field_and_what_was_typed_stays(self, author, draft):
        url = page("draft-entry", draft.pk, "earning", "rules", "0")

        response = save(author, draft, url, points="viel", names__en="Base")

        html = response.content.decode()
        assert response.status_code == 422
        field = re.search(r'<input[^>]*name="v.points"[^>]*>', html)[0]
        assert 'value="viel"' in field
        assert 'aria-invalid="true"' in field
        described = re.search(r'aria-describedby="([^"]+)"', field)[1].split()
        error = re.search(rf'id="{described[-1]}">([^<]+)<', html)[1]
        assert "A number is wanted" in error
        assert '<a href="#v-points">' in html, "the list above leads to the field"
        assert 'value="Base"' in html
        assert draft.revision == 1

    def test_a_new_entry(self, author, draft):
        url = page("draft-entry", draft.pk, "earning", "rules", "new")

        response = save(
            author, draft, url, code="labour", names__zh_hans="", points="1", per_amount="5",
        )  # fmt: skip
        assert response.status_code == 422
        data = {
            "v.code": "labour", "v.names.zh-hans": "工时", "v.categories": "labour",
            "v.points": "1", "v.per_amount": "5", "revision": 1,
        }  # fmt: skip
        response = author.post(url, data)

        draft.refresh_from_db()
        assert response.url == page("draft-part", draft.pk, "earning")
        assert [rule["code"] for rule in draft.document["earning"]["rules"]] == ["base", "labour"]
        assert draft.document["earning"]["rules"][1]["categories"] == ["labour"]

    def test_a_code_is_made_for_who_types_none(self, author, draft):
        url = page("draft-entry", draft.pk, "earning", "rules", "new")
        rule = {"names__zh-hans": "维修", "points": "1", "per_amount": "10"}

        save(author, draft, url, **rule, names__en="Repairs & more")
        save(author, draft, url, **rule, names__en="Repairs & more")
        save(author, draft, url, **rule)

        codes = [each["code"] for each in draft.document["earning"]["rules"]]
        assert codes[-3:] == ["repairs-more", "repairs-more-2", "rule"]

    def test_entries_are_moved_and_removed(self, author, draft):
        self.test_a_new_entry(author, draft)
        url = page("draft-part", draft.pk, "earning")

        def codes():
            draft.refresh_from_db()
            return [rule["code"] for rule in draft.document["earning"]["rules"]]

        author.post(url, {"do": "entry-up:rules:1", "revision": draft.revision})
        assert codes() == ["labour", "base"]
        author.post(url, {"do": "entry-remove:rules:1", "revision": draft.revision})
        assert codes() == ["labour"]
        response = author.post(url, {"do": "entry-remove:rules:0", "revision": draft.revision})
        assert response.status_code == 422, "a programme has a rule"
        assert codes() == ["labour"]

    def test_of_two_who_edit_the_second_is_told_and_keeps_what_was_typed(self, author, draft):
        url = page("draft-part", draft.pk, "general")
        save(author, draft, url, note="first")

        response = author.post(
            url, {"v.valid_from": draft.document["valid_from"], "v.note": "mine", "revision": 1}
        )

        assert response.status_code == 409
        assert "Somebody saved this draft meanwhile" in text_of(response)
        assert "mine" in response.content.decode()
        draft.refresh_from_db()
        assert draft.document["note"] == "first"

    def test_a_day_that_has_begun_is_refused_beside_the_field(self, author, draft):
        url = page("draft-part", draft.pk, "general")

        response = save(author, draft, url, valid_from=localdate().isoformat())

        assert response.status_code == 422
        assert re.search(
            r'id="v-valid_from-error">\s*The first day must lie ahead', response.content.decode()
        )

    @pytest.mark.parametrize("part", ["format", "nothing", "valid_from"])
    def test_what_is_no_part_has_no_page(self, author, draft, part):
        assert author.get(page("draft-part", draft.pk, part)).status_code == 404

    @pytest.mark.parametrize("index", ["9", "x", "-1"])
    def test_what_is_no_entry_has_no_page(self, author, draft, index):
        url = page("draft-entry", draft.pk, "earning", "rules", index)
        assert author.get(url).status_code == 404

    def test_is_closed_to_who_only_reads(self, at_work, draft):
        reader = at_work("auditor")

        assert reader.get(page("draft", draft.pk)).status_code == 200
        assert reader.get(page("draft-part", draft.pk, "policies")).status_code == 403
        assert reader.post(page("draft", draft.pk), {"discard": "1"}).status_code == 403

    def test_every_part_has_a_label_for_every_field(self, author, draft):
        """Whoever names nothing shows the reader a word of the file."""
        for part in PARTS:
            html = author.get(page("draft-part", draft.pk, part)).content.decode()
            assert "Zh hans" not in html


class TestChoosing:
    """What refers to something is chosen from what there is, by its name."""

    RULE = ("earning", "rules", "0")

    def test_tiers_of_the_draft_are_offered_by_name(self, author, draft):
        with_tiers(draft)

        html = author.get(page("draft-entry", draft.pk, "earning", "boosts", "new"))

        assert re.search(
            r'type="checkbox" name="v.when.tiers" value="gold" +> Gold', html.content.decode()
        )

    def test_what_is_ticked_is_saved_and_told_by_name(self, author, draft):
        with_tiers(draft)
        riverside = store(name="Riverside")

        response = save(
            author,
            draft,
            page("draft-entry", draft.pk, *self.RULE),
            where__tiers=["gold"],
            where__stores=[riverside.code],
            where__months=["2", "12"],
        )

        assert response.status_code == 302, text_of(response)
        where = draft.document["earning"]["rules"][0]["where"]
        assert where == {"tiers": ["gold"], "stores": [riverside.code], "months": [2, 12]}
        told = text_of(author.get(page("draft", draft.pk)))
        assert "Tiers: Gold; Stores: Riverside; Months of the year: February, December" in told

    def test_a_tier_has_a_rate_of_its_own(self, author, draft):
        with_tiers(draft)

        save(
            author,
            draft,
            page("draft-entry", draft.pk, *self.RULE),
            tiers_at_rows="1",
            tiers__0_at_key="gold",
            tiers__0__points="2",
            tiers__0__per_amount="10",
        )

        assert "Other rate for a tier: Gold:" in text_of(author.get(page("draft", draft.pk)))

    @pytest.mark.parametrize(
        ("field", "value"),
        [("tiers", "platinum"), ("stores", "nowhere"), ("dealers", "nobody"), ("months", "13")],
    )
    def test_what_there_is_not_is_refused_beside_the_field(self, author, draft, field, value):
        with_tiers(draft)
        url = page("draft-entry", draft.pk, *self.RULE)

        response = save(author, draft, url, **{f"where__{field}": [value]})

        assert response.status_code == 422
        html = response.content.decode()
        assert f'id="v-where-{field}-error"' in html
        assert f'value="{value}" checked' in html, "what was chosen stays"
        assert draft.revision == 1

    def test_of_many_one_is_found_by_typing(self, author, draft):
        for _n in range(51):
            store()
        riverside = store(name="Riverside")
        url = page("draft-entry", draft.pk, *self.RULE)

        html = author.get(url).content.decode()

        assert f'<option value="{riverside.code}">Riverside</option>' in html
        assert 'list="found-stores"' in html
        assert 'type="checkbox" name="v.where.stores"' not in html
        save(author, draft, url, where__stores_at_more=riverside.code)
        assert draft.document["earning"]["rules"][0]["where"] == {"stores": [riverside.code]}
        assert f'value="{riverside.code}" checked' in author.get(url).content.decode()

    def test_a_category_nobody_named_yet_can_be_typed(self, author, draft):
        url = page("draft-entry", draft.pk, *self.RULE)

        save(author, draft, url, categories_at_more="parts, labour")

        assert 'name="v.categories" value="parts" checked' in author.get(url).content.decode()

    def test_an_old_name_of_something_gone_does_not_lock_the_draft(self, author, draft):
        draft.document["earning"]["rules"][0]["where"] = {"stores": ["closed-long-ago"]}
        draft.save()

        response = save(author, draft, page("draft-entry", draft.pk, *self.RULE), points="2")

        assert response.status_code == 302, text_of(response)
        assert draft.document["earning"]["rules"][0]["where"] == {"stores": ["closed-long-ago"]}

    def test_costs_the_same_queries_however_many_there_are(
        self, author, draft, django_assert_max_num_queries
    ):
        for _n in range(60):
            store()

        with django_assert_max_num_queries(9):
            author.get(page("draft-entry", draft.pk, "earning", "boosts", "new"))


class TestOverview:
    def test_tells_what_changes_in_plain_words(self, author, draft):
        save(author, draft, page("draft-entry", draft.pk, "earning", "rules", "0"), points="2")
        save(author, draft, page("draft-part", draft.pk, "policies"), rounding__mode="up")

        changes = {
            change.place: (change.before, change.after)
            for change in author.get(page("draft", draft.pk)).context["changes"]
        }

        assert changes["Policies › Rounding › How"] == ("Down", "Up")
        assert changes["Earning › Earning rules › 1 point per 10 yuan › Points"] == ("1", "2")

    def test_names_rules_that_come_and_go(self, author, draft):
        url = page("draft-entry", draft.pk, "earning", "rules", "new")
        data = {
            "v.code": "labour", "v.names.zh-hans": "工时", "v.names.en": "Labour",
            "v.points": "1", "v.per_amount": "5", "revision": 1,
        }  # fmt: skip
        author.post(url, data)
        author.post(
            page("draft-part", draft.pk, "earning"), {"do": "entry-remove:rules:0", "revision": 2}
        )

        kinds = {
            change.kind: change.place
            for change in author.get(page("draft", draft.pk)).context["changes"]
        }
        assert kinds["added"] == "Earning › Earning rules › Labour"
        assert kinds["removed"] == "Earning › Earning rules › 1 point per 10 yuan"

    def test_shows_what_strikes_the_rule_check_with_a_way_to_the_place(
        self, author, draft, monkeypatch
    ):
        found = [
            Finding(Severity.WARNING, ("earning", "rules", 0, "points"), "Is that much?"),
            Finding(Severity.NOTE, ("valid_from",), "Soon."),
        ]
        monkeypatch.setattr(checks, "_checks", [lambda document: found])

        html = author.get(page("draft", draft.pk)).content.decode()

        assert "Is that much?" in html
        assert f'href="{page("draft-entry", draft.pk, "earning", "rules", "0")}"' in html
        assert f'href="{page("draft-part", draft.pk, "general")}"' in html

    def test_shows_what_it_gives_and_works_out_a_receipt(self, author, draft):
        url = page("draft", draft.pk)

        [row] = author.get(url).context["effective"]
        assert [(cell.tier.name, cell.percent) for cell in row.cells] == [("Every member", "1")]
        receipt = author.get(url, {"amount": "99.90"}).context["receipts"][0][0]
        assert (receipt.points, receipt.percent) == (9, "0.9")

    @pytest.mark.parametrize("amount", ["", "x", "NaN", "-1", "0", "1e999999", "Infinity", "0.001"])
    def test_what_is_no_amount_is_the_usual_one(self, author, draft, amount):
        response = author.get(page("draft", draft.pk), {"amount": amount, "category": "x"})

        assert response.context["amount"] == "268.00"

    def test_two_people_publish_it(self, author, second, draft):
        save(author, draft, page("draft-part", draft.pk, "policies"), rounding__mode="up")
        form = author.get(page("draft", draft.pk)).context["form"]

        author.post(
            page("draft", draft.pk),
            {
                "reason": "rounded up",
                "reference": form["reference"].value(),
                "revision": draft.revision,
            },
        )
        approval = Approval.objects.get()
        assert "Waits for approval" in text_of(author.get(page("draft", draft.pk)))
        asked = text_of(second.get(page("common_approval_change", approval.pk)))
        assert "New rulebook version" in asked
        link = f'href="{page("draft", draft.pk)}"'
        for shown in ("common_approval_changelist", "common_approval_change"):
            arguments = [approval.pk] if shown.endswith("change") else []
            assert link in second.get(page(shown, *arguments)).content.decode()
        second.post(page("common_approval_approve", approval.pk), {"note": ""})

        draft.refresh_from_db()
        approval.refresh_from_db()
        assert approval.state == ApprovalState.APPROVED
        assert draft.state == DraftState.PUBLISHED
        assert queries.export(Version.objects.get(number=2)) == draft.document
        text = text_of(author.get(page("rulebook", 2)))
        assert "What it changed of v1" in text
        assert "Policies › Rounding › How" in text

    def test_replaced_by_a_file(self, author, draft):
        document = draft.document | {"note": "from a file"}
        file = SimpleUploadedFile("x.yaml", documents.render(document).encode())

        author.post(
            page("draft", draft.pk), {"upload": "1", "file": file, "revision": draft.revision}
        )

        draft.refresh_from_db()
        assert draft.document["note"] == "from a file"
        download = author.get(page("draft-file", draft.pk))
        assert documents.parse(download.content.decode()) == draft.document

    def test_discarded(self, author, draft):
        author.post(page("draft", draft.pk), {"discard": "1"})

        draft.refresh_from_db()
        assert draft.state == DraftState.DISCARDED
        assert "Discarded" in text_of(author.get(page("draft", draft.pk)))

    def test_says_that_another_version_was_published_meanwhile(self, author, second, draft):
        author.post(page("rulebooks"))
        other = Draft.objects.latest("pk")
        self.test_two_people_publish_it(author, second, other)

        text = text_of(author.get(page("draft", draft.pk)))
        assert "v2 was published since this draft was begun" in text
        author.post(page("draft", draft.pk), {"compared": "1", "revision": draft.revision})

        draft.refresh_from_db()
        assert draft.based_on.number == 2
        assert "was published since" not in text_of(author.get(page("draft", draft.pk)))


def test_old_versions_can_be_drafted_anew(author):
    author.post(page("rulebooks"), {"source": "1"})

    assert Draft.objects.get().based_on.number == 1
    assert timezone.now() > Draft.objects.get().created_at
