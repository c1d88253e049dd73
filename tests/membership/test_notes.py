"""Notes and reasons stay for ever, so each door refuses phones, e-mails and ID numbers in them."""

import json

import pytest
import time_machine
from django.db import transaction
from django.urls import reverse

from common import approvals, audit
from common.models import Approval, AuditRecord
from common.personal import NamesSomebody, keep_out, without_contacts
from points import operations
from points.models import Entry
from tests import factories
from tests.factories.points import NOON
from tests.till import Till, refused
from tests.wishes import wish

pytestmark = pytest.mark.django_db

NOTES = [
    "来电 138 0013 8000",
    "to wang@example.com",
    "证件 310101199001011237",
    "手机１３９１２３４５６７８",
]
NOTE = NOTES[0]


@pytest.fixture
def store():
    factories.rulebook(transfers={"limits": [{"days": 1, "count": 2}]})
    return factories.store(code="S1")


@pytest.fixture
def till(store):
    with time_machine.travel(NOON, tick=False):
        yield Till(factories.api_client(store.organization))


@pytest.fixture
def of(store):
    of = factories.identity()
    factories.lot(of, 100)
    return of


def entries():
    return Entry.objects.count()


class TestRest:
    def send(self, till, of, door, note):
        posted = {"member": of.number, "store": "S1", "points": 20, "note": note}
        match door:
            case "redemptions/" | "holds/":
                return till.send(door, posted | {"reference": "X-1"})
            case "transfers/":
                other = factories.identity().number
                document = {"reference": "X-1", "giver": of.number, "receiver": other}
                return till.send(door, document | {"points": 20, "note": note})
        before = "holds/" if door.startswith("holds/") else "redemptions/"
        till.send(before, posted | {"reference": "X-1", "note": "洗车"})
        extra = {"reference": "X-1-1"} if before == "redemptions/" else {}
        return till.send(door, extra | {"points": 5, "note": note})

    @pytest.mark.parametrize("note", NOTES)
    @pytest.mark.parametrize(
        ("door", "posted_before"),
        [
            ("redemptions/", 0),
            ("holds/", 0),
            ("transfers/", 0),
            ("redemptions/X-1/cancellations/", 1),
            ("holds/X-1/confirmation/", 1),
        ],
    )
    def test_refuses_a_note_that_names_somebody(self, till, of, door, posted_before, note):
        refused(self.send(till, of, door, note), 422, "names_somebody")

        assert entries() == 1 + posted_before

    def test_refuses_one_in_a_batch_and_posts_the_others(self, till, of):
        line = {"type": "redemption", "member": of.number, "store": "S1", "points": 5}
        lines = [
            line | {"reference": "X-1", "note": NOTE},
            line | {"reference": "X-2", "note": "茶"},
        ]
        body = "\n".join(json.dumps(each) for each in lines).encode()

        answer = till.send("batches/", body, **{"Content-Type": "application/x-ndjson"}).json()

        assert [each["status"] for each in answer["results"]] == [422, 201]
        assert answer["results"][0]["code"] == "names_somebody"

    def test_tells_the_same_in_the_callers_language(self, till, of):
        answer = self.send(till, of, "redemptions/", NOTE)
        assert "138" not in answer.json()["detail"]


class TestFile:
    def test_refuses_the_row_whose_reason_names_somebody(self, tmp_path, of):
        factories.brand()
        path = tmp_path / "a.csv"
        rows = [f"{of.number},5,R-1,{NOTE}", f"{of.number},5,R-2,春节"]
        path.write_text("\n".join(["member,points,reference,reason", *rows]), encoding="utf-8")

        batch = operations.read_grants(path=path, name="a.csv", at=NOON, by=factories.staff())

        outcomes = list(batch.lines.order_by("number").values_list("outcome", flat=True))
        assert outcomes == ["names_somebody", ""]
        assert operations.refusal_told(batch.lines.get(number=2)) == str(NamesSomebody.message)


class TestConsole:
    def test_refuses_it_in_a_correction_by_hand(self, boss, of):
        page = reverse("admin:member-adjust", args=[of.number])
        form = boss.get(page).context["form"]
        answer = boss.post(
            page,
            {
                "points": "5",
                "reason": "GOODWILL",
                "note": NOTE,
                "reference": form["reference"].value(),
                "confirmed": "1",
            },
        )

        assert answer.context["form"].errors["note"].as_data()[0].code == "names_somebody"
        assert entries() == 1

    @pytest.mark.usefixtures("wishing")
    @pytest.mark.parametrize("verb", ["approve", "reject"])
    def test_refuses_it_beside_a_decision(self, boss, verb):
        asked = wish()
        page = reverse(f"admin:common_approval_{verb}", args=[asked.pk])

        answer = boss.post(page, {"note": NOTE})

        assert "stays for ever" in answer.content.decode()
        asked.refresh_from_db()
        assert (asked.state, asked.note) == ("PENDING", "")


class TestOperations:
    """Whatever the door, what would stay is looked at where it is written."""

    def test_the_audit_trail_takes_no_such_reason(self):
        with pytest.raises(NamesSomebody), transaction.atomic():
            audit.record(action="x.done", target="x", by=None, reason=NOTE)

        assert not AuditRecord.objects.filter(action="x.done").exists()

    @pytest.mark.usefixtures("wishing")
    def test_a_request_with_such_a_reason_or_note_is_not_written(self):
        with pytest.raises(NamesSomebody):
            wish(reason=NOTE)
        assert not Approval.objects.exists()

        asked = wish()
        with pytest.raises(NamesSomebody):
            approvals.reject(approval_id=asked.pk, by=factories.staff(), at=NOON, note=NOTE)
        asked.refresh_from_db()
        assert asked.state == "PENDING"


@pytest.mark.parametrize("text", NOTES)
def test_what_is_refused_can_be_masked_too(text):
    with pytest.raises(NamesSomebody):
        keep_out(text)
    assert without_contacts(text) != text
    keep_out(without_contacts(text))


def test_a_text_without_contacts_stays_as_it_is():
    text = "ＶＩＰ 晚宴 １２３"
    assert without_contacts(text) == text
