"""A member's benefits in the console, and what staff do with rights."""

import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils.timezone import localdate
from PIL import Image

from benefits.models import Right, Step
from benefits.operations import Who
from common.models import AuditRecord
from partners.models import Placement
from points.models import Entry
from tests.benefits.plan import deliver, on, publish, service, told
from tests.factories import dealer, store

pytestmark = pytest.mark.django_db


@pytest.fixture
def of():
    publish(service("wash", "year", t1=2), service("tea", "year", t2=1))
    return on("t1", since=localdate().replace(month=1, day=1).isoformat())


@pytest.fixture
def right(of):
    from benefits import operations
    from points.queries import start_of_day

    told()
    today = localdate()
    operations.grant(member_ids=[of.id], day=today, at=start_of_day(today))
    return Right.objects.order_by("ordinal").first()


@pytest.fixture
def care(at_work):
    return at_work("customer care")


def at(of, name):
    return reverse(f"admin:member-{name}", args=[of.number])


def test_care_delivers_undoes_and_makes_up_for_it(care, of, right):
    sent = {"chosen": "wash", "store": store().pk, "proof": "STORE", "note": "门店来电"}
    assert care.post(at(of, "deliver-right"), sent).status_code == 302
    assert (
        care.post(at(of, "undo-delivery"), {"chosen": right.pk, "note": "误操作"}).status_code
        == 302
    )
    failed = {"chosen": right.pk, "reason": "OUT_OF_STOCK", "note": "没有水"}
    assert care.post(at(of, "fail-right"), failed).status_code == 302
    given = {"chosen": right.pk, "points": "20", "benefit": "", "days": "90", "note": "抱歉"}
    assert care.post(at(of, "compensate-right"), given).status_code == 302

    right.refresh_from_db()
    assert (right.state, right.compensated_points) == ("COMPENSATED", 20)
    assert Entry.objects.get(member=of.id).points == 20
    assert [each.kind for each in Step.objects.filter(right=right).order_by("nth")] == [
        "GRANTED", "DELIVERED", "UNDONE", "FAILED", "COMPENSATED",
    ]  # fmt: skip
    page = care.get(at(of, "benefits")).content.decode()
    assert "没有水" in page


def test_another_right_in_its_place(care, of, right):
    care.post(at(of, "fail-right"), {"chosen": right.pk, "reason": "LATE", "note": "x"})
    given = {"chosen": right.pk, "points": "", "benefit": "tea", "days": "30", "note": "抱歉"}

    assert care.post(at(of, "compensate-right"), given).status_code == 302
    assert Right.objects.get(compensates=right).benefit == "tea"


@pytest.mark.parametrize(
    "given", [{"points": "5", "benefit": "tea"}, {"points": "", "benefit": ""}]
)
def test_points_or_a_right_not_both_nor_none(care, of, right, given):
    care.post(at(of, "fail-right"), {"chosen": right.pk, "reason": "LATE", "note": "x"})

    answer = care.post(
        at(of, "compensate-right"), {"chosen": right.pk, "days": "9", "note": "x"} | given
    )

    assert answer.status_code == 200
    right.refresh_from_db()
    assert right.state == "FAILED"


def test_who_only_looks_changes_nothing(at_work, of, right):
    auditor = at_work("auditor")

    assert auditor.get(at(of, "benefits")).status_code == 200
    sent = {"chosen": right.pk, "reason": "LATE", "note": "x"}
    assert auditor.post(at(of, "fail-right"), sent).status_code == 403
    assert Step.objects.filter(kind="FAILED").count() == 0


def a_photo():
    file = io.BytesIO()
    Image.new("RGB", (40, 30)).save(file, "PNG")
    return SimpleUploadedFile("proof.png", file.getvalue(), content_type="image/png")


def test_care_books_and_delivers_with_a_photo(care, of, right):
    at_store = store()
    # Today, before midnight: a right of this year.
    when = localdate()
    booked = {
        "chosen": "wash", "store": at_store.pk, "booked_for_0": when.isoformat(),
        "booked_for_1": "23:59:59", "note": "电话预约",
    }  # fmt: skip
    assert care.post(at(of, "book-right"), booked).status_code == 302
    assert Right.objects.get(state="BOOKED").store == at_store

    sent = {"chosen": "wash", "store": at_store.pk, "proof": "PHOTO", "note": "门店来电"}
    without = care.post(at(of, "deliver-right"), sent)
    assert without.status_code == 200
    assert care.post(at(of, "deliver-right"), sent | {"picture": a_photo()}).status_code == 302

    step = Step.objects.get(kind="DELIVERED")
    assert (step.proof, step.picture.media_type) == ("PHOTO", "image/jpeg")


def test_who_looks_at_a_proof_is_on_record(care, of, right):
    sent = {"chosen": "wash", "store": store().pk, "proof": "PHOTO", "note": "门店来电"}
    care.post(at(of, "deliver-right"), sent | {"picture": a_photo()})
    step = Step.objects.get(kind="DELIVERED")
    assert f"?step={step.pk}" in care.get(at(of, "benefits")).content.decode()

    page = care.get(at(of, "pictures"), {"step": step.pk})

    assert "data:image/jpeg;base64," in page.content.decode()
    record = AuditRecord.objects.get(action="right.picture_seen")
    assert (record.target, record.details) == (of.number, {"steps": [step.pk]})


def test_only_who_judges_failures_sees_proofs_and_nobody_another_members(care, at_work, of, right):
    sent = {"chosen": "wash", "store": store().pk, "proof": "PHOTO", "note": "门店来电"}
    care.post(at(of, "deliver-right"), sent | {"picture": a_photo()})
    auditor = at_work("auditor")

    assert auditor.get(at(of, "pictures")).status_code == 403
    assert "?step=" not in auditor.get(at(of, "benefits")).content.decode()
    other = care.get(at(on("t1"), "pictures"), {"step": Step.objects.get(kind="DELIVERED").pk})
    assert "data:" not in other.content.decode()
    assert not AuditRecord.objects.filter(action="right.picture_seen").exists()


def test_rights_are_listed_by_state(care, of, right):
    page = care.get(reverse("admin:rights"), {"state": "GRANTED", "benefit": "wash"})

    text = page.content.decode()
    assert of.number in text
    assert "Wash 2026 #1" in text
    booked = care.get(reverse("admin:rights")).content.decode()
    assert of.number not in booked


class TestDealers:
    """Staff of a dealer tell what their own stores did for the dealer's own members."""

    @pytest.fixture
    def shop(self):
        return store(name="Ours")

    @pytest.fixture
    def manager(self, at_work, shop):
        browser = at_work("dealer manager")
        Placement.objects.create(user=browser.user, organization=shop.organization)
        return browser

    @pytest.fixture
    def of(self, shop):
        publish(service("wash", "year", t1=2))
        since = localdate().replace(month=1, day=1).isoformat()
        return on("t1", since=since, store=shop)

    def test_deliver_at_their_own_stores_alone(self, manager, shop, of, right):
        elsewhere = store(name="Theirs")
        sent = {"chosen": "wash", "proof": "STORE", "note": "到店"}

        assert (
            manager.post(at(of, "deliver-right"), sent | {"store": elsewhere.pk}).status_code == 200
        )
        assert not Step.objects.filter(kind="DELIVERED").exists()
        assert manager.post(at(of, "deliver-right"), sent | {"store": shop.pk}).status_code == 302

        assert Step.objects.get(kind="DELIVERED").store == shop

    def test_undo_nothing_of_another_store(self, manager, shop, of, right):
        theirs = deliver(
            of, "wash", localdate().isoformat(), who=Who(store_id=store(name="Theirs").pk)
        )

        sent = {"chosen": theirs.pk, "note": "误操作"}
        assert manager.post(at(of, "undo-delivery"), sent).status_code == 200

        theirs.refresh_from_db()
        assert theirs.state == "DELIVERED"

    def test_make_up_for_nothing(self, manager, of, right):
        for name in ("fail-right", "compensate-right"):
            assert manager.get(at(of, name)).status_code == 403


class TestReport:
    def test_tells_what_was_promised_and_kept(self, care, of, right):
        deliver(of, "wash", localdate().isoformat(), who=Who(store_id=store().pk))

        page = care.get(reverse("admin:rights-report"))

        assert page.context["together"].kept.promised == 2
        assert page.context["together"].kept.percent == 50
        assert "width: 50%" in page.content.decode()

    def test_is_downloaded_harmless_to_spreadsheets(self, care, of, right):
        at_store = store(dealer(name="=1+1"))
        deliver(of, "wash", localdate().isoformat(), who=Who(store_id=at_store.pk))
        today = localdate()

        answer = care.get(
            reverse("admin:rights-report"),
            {"first": today.replace(month=1, day=1), "last": today, "csv": "1"},
        )

        lines = b"".join(answer.streaming_content).decode().splitlines()
        assert lines[0].startswith("\ufeffby,of,name,promised,delivered")
        assert any(line.startswith("dealer,'=1+1,'=1+1,1,1") for line in lines)

    @pytest.mark.parametrize(
        ("first", "last"),
        [("2026-02-01", "2026-01-01"), ("2026-01-01", "9999-12-31"), ("0001-01-01", "2026-01-01")],
    )
    def test_a_period_that_makes_no_sense_is_refused(self, care, of, first, last):
        page = care.get(reverse("admin:rights-report"), {"first": first, "last": last})

        assert page.status_code == 422
        assert page.context["form"].errors

    def test_in_few_queries(self, care, of, right, django_assert_max_num_queries):
        care.get(reverse("admin:rights-report"))
        with django_assert_max_num_queries(10):
            care.get(reverse("admin:rights-report"))
