"""The counter: what a clerk can do for the member in front of them, and nothing else."""

import io
import re
from datetime import date, timedelta
from pathlib import Path

import pytest
import time_machine
from django.contrib.auth.models import Group
from django.contrib.staticfiles.finders import find
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from PIL import Image

from benefits.models import Proof, Right, RightState, Step
from benefits.models.orders import OrderStep
from benefits.operations import orders
from benefits.queries import coupons as coupon_queries
from common.models import AuditRecord
from members import cards
from members import operations as members
from membership.counter.visits import GOOD_FOR
from messaging.models import Message
from partners.models import Placement
from points import queries as ledger
from points.models import Entry
from programme import operations as programmes
from programme import queries as programme
from tests import factories
from tests.benefits.buying import at_store, collectable, order, rich
from tests.benefits.coupon_plan import generated, issued, running
from tests.benefits.plan import always, discount, document, night, noon, service, stand, told

pytestmark = pytest.mark.django_db

NOW = noon("2026-07-05")
PHONE = "13912345678"


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def store():
    return factories.store(code="S1", name="浦东店")


@pytest.fixture
def of(store):
    plan = document(
        service("wash", t1=2), always("tow", "t1"), discount("off", t1="85"), undo_minutes=10
    )
    plan["policies"]["bills"] = {"share": 50, "points_min": 100, "undo_minutes": 10}
    programmes.load(document=plan, published_at=NOW)
    programme.forget_cached()
    one = factories.identity(phone=PHONE, name="王小明")
    told()
    stand(one, "t1")
    night("2026-07-01")
    factories.lot(one, 3000, expires_on=date(2027, 6, 30))
    return one


def clerk(store, *, role="store clerk", **fields):
    user = factories.staff(is_superuser=False, **fields)
    user.groups.add(Group.objects.get(name=role))
    if store:
        Placement.objects.create(user=user, organization=store.organization, store=store)
    browser = Client(headers={"Accept-Language": "en"})
    browser.force_login(user)
    browser.user = user
    return browser


@pytest.fixture
def at_till(store):
    return clerk(store, username="clerk")


def meet(browser, of, *, follow=True):
    card = cards.code(of.id, at=NOW)
    return browser.post(reverse("counter:start"), {"code": card}, follow=follow)


def once(page, benefit=""):
    """The name in a form of the page: that of a benefit, or the bill's."""
    text = page.content.decode()
    if benefit:
        pattern = (
            rf'name="once" value="([0-9a-f]+)">\s*<input [^>]*name="benefit" value="{benefit}"'
        )
    else:
        pattern = r'name="once" value="([0-9a-f]+)" id="id_once"'
    return re.search(pattern, text)[1]


def deliver(browser, page, benefit="wash"):
    sent = {"benefit": benefit, "once": once(page, benefit)}
    return browser.post(f"{page.request['PATH_INFO']}deliver/", sent, follow=True)


def hold(browser, page, bill="200", points=""):
    sent = {"bill": bill, "points": points, "once": once(page)}
    return browser.post(f"{page.request['PATH_INFO']}bill/", sent, follow=True)


def do(browser, page, deed, **more):
    return browser.post(page.request["PATH_INFO"], {"deed": deed, **more}, follow=True)


def said(page):
    return page.content.decode()


def deeds(of):
    found = AuditRecord.objects.filter(target=of.number).exclude(action="member.enrolled")
    return [(each.action, each.actor and each.actor.username, each.details.get("store"))
            for each in found.order_by("pk")]  # fmt: skip


class TestWhoMayServe:
    def test_a_visitor_is_asked_to_log_in(self, client, of):
        page = client.get(reverse("counter:start"), follow=True)

        assert page.redirect_chain[0][0].startswith(reverse("counter:login"))
        assert page.status_code == 200

    def test_a_clerk_logs_in_with_a_password(self, store, of):
        user = clerk(store, username="wang").user
        user.set_password("a-long-password")
        user.save()
        browser = Client(headers={"Accept-Language": "en"})

        sent = {"username": "wang", "password": "a-long-password"}
        page = browser.post(reverse("counter:login"), sent, follow=True)

        assert store.name in said(page)

    def test_a_member_is_not_let_in(self, of):
        login = members.login_for(member_id=of.id)
        browser = Client()
        browser.force_login(login)

        assert browser.get(reverse("counter:start")).status_code == 302

    @pytest.mark.parametrize("role", ["dealer manager", "customer care", "administrator"])
    def test_other_roles_serve_at_no_counter(self, store, of, role):
        assert clerk(store, role=role).get(reverse("counter:start")).status_code == 403

    def test_a_clerk_without_a_store_serves_at_none(self, of):
        assert clerk(None).get(reverse("counter:start")).status_code == 403

    def test_nor_one_whose_store_is_closed(self, store, at_till):
        store.is_active = False
        store.save()

        assert at_till.get(reverse("counter:start")).status_code == 403

    def test_the_second_factor_is_asked_for_as_at_the_console(self, store, at_till, settings):
        settings.STAFF_MFA = "required"

        page = at_till.get(reverse("counter:start"))

        assert page.status_code == 302
        assert page["Location"].startswith(reverse("admin:own_factor"))

    def test_it_closes_when_left_lying(self, store, at_till, clock):
        assert at_till.get(reverse("counter:start")).status_code == 200
        clock.shift(timedelta(minutes=31))

        assert at_till.get(reverse("counter:start")).status_code == 302


class TestFinding:
    def test_by_the_code_of_the_card(self, at_till, of, store):
        page = meet(at_till, of)

        assert "王**" in said(page)
        assert "T1" in said(page) or "t1" in said(page)
        assert deeds(of)[-1] == ("member.met", "clerk", store.pk)

    def test_shows_no_full_phone_nor_name(self, at_till, of):
        page = said(meet(at_till, of))

        assert PHONE not in page
        assert "王小明" not in page

    def test_not_by_an_old_code(self, at_till, of, clock):
        card = cards.code(of.id, at=NOW)
        clock.shift(timedelta(minutes=6))

        page = at_till.post(reverse("counter:start"), {"code": card})

        assert page.status_code == 409
        assert not AuditRecord.objects.filter(action="member.met").exists()

    @pytest.mark.parametrize("tail", ["5678", "５６７８"])
    def test_by_digits_and_the_whole_name(self, at_till, of, tail):
        sent = {"tail": tail, "name": " 王小明 "}
        page = at_till.post(reverse("counter:start"), sent, follow=True)

        assert "王**" in said(page)

    @pytest.mark.parametrize(
        ("tail", "name"), [("5678", "王"), ("5678", "王小"), ("5679", "王小明"), ("5678", "%")]
    )
    def test_not_by_a_part_of_it(self, at_till, of, tail, name):
        page = at_till.post(reverse("counter:start"), {"tail": tail, "name": name})

        assert page.status_code == 404
        assert "王**" not in said(page)

    def test_two_who_are_called_alike_show_their_code(self, at_till, of):
        factories.identity(phone="13800005678", name="王小明")

        page = at_till.post(reverse("counter:start"), {"tail": "5678", "name": "王小明"})

        assert page.status_code == 404

    def test_a_clerk_cannot_try_names_out(self, at_till, of):
        for nth in range(20):
            at_till.post(reverse("counter:start"), {"tail": f"{nth:04}", "name": "王小明"})

        page = at_till.post(reverse("counter:start"), {"tail": "5678", "name": "王小明"})

        assert page.status_code == 429

    def test_a_visit_is_the_clerks_own_and_ends(self, at_till, of, store, clock):
        mine = meet(at_till, of).request["PATH_INFO"]
        colleague = clerk(store, username="other")

        assert colleague.get(mine).status_code == 302
        clock.shift(GOOD_FOR - timedelta(minutes=10))
        assert at_till.get(mine).status_code == 200
        clock.shift(timedelta(minutes=11))
        assert at_till.get(mine).status_code == 302

    def test_nobody_makes_up_a_visit(self, at_till, of):
        assert at_till.get(reverse("counter:visit", args=["eyJtIjoxfQ:x:y"])).status_code == 302

    def test_in_few_queries_however_much_they_have(
        self, at_till, of, django_assert_max_num_queries
    ):
        address = meet(at_till, of).request["PATH_INFO"]
        at_till.get(address)
        with CaptureQueriesContext(connection) as of_little:
            at_till.get(address)
        for batch in (running(), running()):
            for _each in range(8):
                issued(batch, of)
        deliver(at_till, meet(at_till, of))
        do(at_till, hold(at_till, meet(at_till, of)), "pay")
        at_till.get(address)

        with django_assert_max_num_queries(9):
            page = at_till.get(address)

        assert said(page).count('name="code"') == 17
        assert said(page).count("Look</a>") == 2
        assert len(of_little) <= 9

    def test_weighs_little_and_waits_for_no_script(self, at_till, of):
        for _each in range(20):
            issued(running(), of)

        page = meet(at_till, of)

        # Less than half a second at 3G's 1.6 megabits, uncompressed, and one stylesheet.
        assert len(page.content) < 60_000
        assert "<script" not in page.content.decode()
        assert page.content.decode().count('rel="stylesheet"') == 1
        assert Path(find("css/counter.css")).stat().st_size < 15_000


class TestOrders:
    @pytest.fixture
    def made(self, of, store):
        return order(of, collectable(), delivery=at_store(store), at=NOW)

    def make_ready(self, made):
        by = factories.staff()
        orders.pick(order_id=made.pk, at=NOW, by=by)
        orders.make_ready(order_id=made.pk, at=NOW, by=by)

    def hand_over(self, browser, page, made):
        address = f"{page.request['PATH_INFO']}orders/{made.pk}/hand-over/"
        return browser.post(address, follow=True)

    def test_what_waits_here_is_handed_over_with_one_tap(self, at_till, of, made):
        assert made.number not in said(meet(at_till, of))
        self.make_ready(made)
        page = meet(at_till, of)
        assert made.number in said(page)
        for _twice in range(2):
            after = self.hand_over(at_till, page, made)

        assert "Hand over" in said(page)
        assert f"({made.number})" in said(after)
        (step,) = OrderStep.objects.filter(order=made, kind="RECEIVED")
        assert (step.taker, step.actor) == ("STAFF", at_till.user)
        assert f"orders/{made.pk}/" not in said(meet(at_till, of))

    def test_what_waits_elsewhere_or_for_others_is_not(self, at_till, of, store):
        there = order(of, collectable(), delivery=at_store(factories.store()), at=NOW)
        theirs = order(rich(), collectable(), delivery=at_store(store), at=NOW)
        page = meet(at_till, of)
        for each in (there, theirs):
            self.make_ready(each)
            assert each.number not in said(meet(at_till, of))
            assert self.hand_over(at_till, page, each).status_code == 404
        assert not OrderStep.objects.filter(kind="RECEIVED").exists()

    def test_what_is_not_ready_stays(self, at_till, of, made):
        assert self.hand_over(at_till, meet(at_till, of), made).status_code == 409

    def test_after_a_change_of_phone_the_clerk_sees_until_when_points_rest(self, at_till, of):
        members.update_profile(
            member_id=of.id, changes={"phone": "+8613900139000"}, at=NOW, by=factories.staff(),
            reason="来电",
        )  # fmt: skip
        page = meet(at_till, of)

        assert "07/07/2026" in said(page)
        assert hold(at_till, page).status_code == 409


class TestDelivering:
    def test_hands_over_with_the_code_as_proof(self, at_till, of, store):
        receipt = deliver(at_till, meet(at_till, of))

        right = Right.objects.get(state=RightState.DELIVERED)
        step = Step.objects.get(right=right, kind="DELIVERED")
        assert (right.store, step.actor, step.proof) == (store, at_till.user, Proof.CARD)
        assert deeds(of)[-1] == ("right.delivered", "clerk", store.pk)
        assert "Handed over" in said(receipt)
        assert f"R{right.pk}-2" in said(receipt)

    def test_a_code_good_when_it_was_read_proves_it_some_minutes_later(self, at_till, of, clock):
        page = meet(at_till, of)
        clock.shift(timedelta(minutes=8))

        deliver(at_till, page)

        assert Step.objects.get(kind="DELIVERED").proof == Proof.CARD

    def test_without_a_code_the_store_says_so(self, at_till, of):
        sent = {"tail": "5678", "name": "王小明"}

        deliver(at_till, at_till.post(reverse("counter:start"), sent, follow=True))

        assert Step.objects.get(kind="DELIVERED").proof == Proof.STORE

    @pytest.mark.parametrize("benefit", ["wash", "tow"])
    def test_a_second_tap_comes_to_the_same_receipt(self, at_till, of, benefit):
        page = meet(at_till, of)

        first = deliver(at_till, page, benefit)
        second = deliver(at_till, page, benefit)

        assert first.request["PATH_INFO"] == second.request["PATH_INFO"]
        assert Right.objects.filter(state=RightState.DELIVERED).count() == 1

    def test_another_form_delivers_another(self, at_till, of):
        deliver(at_till, meet(at_till, of))
        deliver(at_till, meet(at_till, of))
        third = meet(at_till, of)

        assert Right.objects.filter(state=RightState.DELIVERED).count() == 2
        assert 'value="wash"' not in said(third)

    def test_is_undone_within_its_minutes(self, at_till, of, store, clock):
        receipt = deliver(at_till, meet(at_till, of))
        clock.shift(timedelta(minutes=10))

        undone = do(at_till, receipt, "undo", once="a" * 24)
        again = do(at_till, receipt, "undo", once="a" * 24)

        assert "Undone" in said(undone)
        assert again.status_code == 200
        assert not Right.objects.filter(state=RightState.DELIVERED).exists()
        assert deeds(of)[-1] == ("right.undone", "clerk", store.pk)

    def test_is_not_undone_later(self, at_till, of, clock):
        receipt = deliver(at_till, meet(at_till, of))
        clock.shift(timedelta(minutes=11))

        refused = do(at_till, receipt, "undo", once="a" * 24)

        assert refused.status_code == 409
        assert Right.objects.filter(state=RightState.DELIVERED).count() == 1

    def test_another_stores_delivery_is_not_there(self, at_till, of, store):
        receipt = deliver(at_till, meet(at_till, of))
        number = int(receipt.request["PATH_INFO"].rstrip("/").rpartition("/")[2])
        elsewhere = clerk(factories.store(store.organization), username="elsewhere")
        visit = meet(elsewhere, of).request["PATH_INFO"]

        assert elsewhere.get(f"{visit}rights/{number}/").status_code == 404
        assert elsewhere.post(f"{visit}rights/{number}/", {"deed": "undo"}).status_code == 404
        assert Right.objects.filter(state=RightState.DELIVERED).count() == 1

    def test_the_receipt_is_sent_once(self, at_till, of):
        receipt = deliver(at_till, meet(at_till, of))

        do(at_till, receipt, "send")
        do(at_till, receipt, "send")

        (message,) = Message.objects.filter(template="counter.handed_over")
        assert message.member_id == of.id

    def test_the_clerk_reads_that_it_was_sent(self, at_till, of):
        receipt = deliver(at_till, meet(at_till, of))

        assert "The receipt is sent" in said(do(at_till, receipt, "send"))

    def test_nothing_is_handed_to_who_is_frozen(self, at_till, of):
        page = meet(at_till, of)
        members.freeze(member_id=of.id, by=factories.staff(), reason="fraud")

        refused = deliver(at_till, page)

        assert refused.status_code == 409
        assert "Hand over" not in said(meet(at_till, of))


def a_picture(kind="PNG", mode="RGBA"):
    file = io.BytesIO()
    Image.new(mode, (40, 30)).save(file, kind)
    return SimpleUploadedFile("proof", file.getvalue(), content_type=f"image/{kind.lower()}")


class TestProving:
    def prove(self, browser, page, benefit="wash", **given):
        address = f"{page.request['PATH_INFO']}prove/{benefit}/"
        form = browser.get(address)
        sent = {"benefit": benefit, "once": once(form), **given}
        return browser.post(address, sent, follow=True)

    @pytest.mark.parametrize("proof", ["signature", "photo"])
    def test_a_picture_proves_it(self, at_till, of, proof):
        receipt = self.prove(at_till, meet(at_till, of), **{proof: a_picture()})

        step = Step.objects.get(kind="DELIVERED")
        assert "Handed over" in said(receipt)
        assert (step.proof, step.picture.media_type) == (proof.upper(), "image/jpeg")

    def test_so_does_a_code_read_now(self, at_till, of):
        self.prove(at_till, meet(at_till, of), code=cards.code(of.id, at=NOW))

        assert Step.objects.get(kind="DELIVERED").proof == Proof.CARD

    @pytest.mark.parametrize("given", [
        {}, {"code": "nonsense"}, {"photo": SimpleUploadedFile("x.png", b"no picture")},
    ])  # fmt: skip
    def test_nothing_is_handed_over_without(self, at_till, of, given):
        page = self.prove(at_till, meet(at_till, of), **given)

        assert page.status_code in (400, 422)
        assert 'role="alert"' in said(page)
        assert not Step.objects.filter(kind="DELIVERED").exists()

    def test_nor_with_the_code_of_somebody_else(self, at_till, of):
        other = cards.code(factories.identity().id, at=NOW)

        page = self.prove(at_till, meet(at_till, of), code=other, photo=a_picture())

        assert page.status_code == 422
        assert not Step.objects.filter(kind="DELIVERED").exists()

    def test_the_same_form_sent_twice_hands_over_once(self, at_till, of):
        page = meet(at_till, of)
        address = f"{page.request['PATH_INFO']}prove/wash/"
        sent = {"benefit": "wash", "once": once(at_till.get(address))}

        receipts = [
            at_till.post(address, sent | {"photo": a_picture("JPEG", "RGB")}, follow=True)
            for _twice in range(2)
        ]

        assert len({each.request["PATH_INFO"] for each in receipts}) == 1
        assert Right.objects.filter(state=RightState.DELIVERED).count() == 1


class TestBills:
    def test_points_are_set_aside_and_then_spent(self, at_till, of, store):
        held = hold(at_till, meet(at_till, of))
        assert "take the rest" in said(held)
        assert ledger.balance(of.id) == 2000

        paid = do(at_till, held, "pay")

        assert "100.00" in said(paid)
        assert Entry.objects.get(kind="REDEEM").store == store
        assert [each[0] for each in deeds(of)[-2:]] == ["points.bill_held", "points.bill_paid"]
        assert {each[1:] for each in deeds(of)[-2:]} == {("clerk", store.pk)}

    def test_a_second_tap_holds_and_spends_no_more(self, at_till, of):
        page = meet(at_till, of)

        first, second = hold(at_till, page), hold(at_till, page)
        do(at_till, first, "pay")
        do(at_till, second, "pay")

        assert first.request["PATH_INFO"] == second.request["PATH_INFO"]
        assert ledger.balance(of.id) == 2000

    def test_a_bill_nobody_pays_is_dropped(self, at_till, of):
        do(at_till, hold(at_till, meet(at_till, of)), "drop")

        assert ledger.balance(of.id) == 3000

    def test_is_undone_within_its_minutes_and_not_later(self, at_till, of, clock):
        paid = do(at_till, hold(at_till, meet(at_till, of)), "pay")
        again = do(at_till, hold(at_till, meet(at_till, of), points="100"), "pay")
        clock.shift(timedelta(minutes=10))
        assert "Undone" in said(do(at_till, paid, "undo"))
        clock.shift(timedelta(seconds=1))
        assert do(at_till, again, "undo").status_code == 409

        assert ledger.balance(of.id) == 2900

    @pytest.mark.parametrize(
        ("bill", "points", "status"),
        [("200", "1001", 409), ("200", "99", 409), ("", "", 422), ("1,5", "", 422),
         ("-1", "", 422), ("1.005", "", 422)],
    )  # fmt: skip
    def test_refuses_what_the_programme_does(self, at_till, of, bill, points, status):
        assert hold(at_till, meet(at_till, of), bill, points).status_code == status
        assert ledger.balance(of.id) == 3000

    def test_another_stores_bill_is_not_there(self, at_till, of, store):
        held = hold(at_till, meet(at_till, of)).request["PATH_INFO"].rstrip("/").rpartition("/")[2]
        elsewhere = clerk(factories.store(store.organization), username="elsewhere")
        visit = meet(elsewhere, of).request["PATH_INFO"]

        assert elsewhere.post(f"{visit}bills/{held}/", {"deed": "pay"}).status_code == 404
        assert ledger.balance(of.id) == 2000

    def test_another_members_bill_is_not_there(self, at_till, of):
        held = hold(at_till, meet(at_till, of)).request["PATH_INFO"].rstrip("/").rpartition("/")[2]
        other = factories.identity()
        visit = meet(at_till, other).request["PATH_INFO"]

        assert at_till.get(f"{visit}bills/{held}/").status_code == 404

    def test_without_a_policy_it_is_not_offered(self, at_till, of):
        plan = document(service("wash", t1=2), valid_from="2026-07-05")
        programmes.load(document=plan, published_at=NOW)
        programme.forget_cached()

        assert "Take points off" not in said(meet(at_till, of))

    def test_what_was_done_here_is_found_again(self, at_till, of):
        deliver(at_till, meet(at_till, of))
        do(at_till, hold(at_till, meet(at_till, of)), "pay")

        assert said(meet(at_till, of)).count("Look</a>") == 2


class TestCoupons:
    @pytest.fixture
    def coupon(self, of):
        return issued(running(), of)

    def use(self, browser, page, bill="100", code=None):
        text = page.content.decode()
        own = r'name="once" value="([0-9a-f]+)">\s*<input [^>]*name="code" value="([^"]+)"'
        found = re.search(own, text)
        sent = {"once": found[1], "code": code or found[2], "bill": bill}
        return browser.post(f"{page.request['PATH_INFO']}coupon/", sent, follow=True)

    def test_a_members_own_is_used_once_however_often_it_is_tapped(
        self, at_till, of, coupon, store
    ):
        page = meet(at_till, of)

        first, second = self.use(at_till, page), self.use(at_till, page)

        assert first.request["PATH_INFO"] == second.request["PATH_INFO"]
        assert "30.00" in said(first)
        coupon.refresh_from_db()
        assert (coupon.state, coupon.store) == ("USED", store)
        assert coupon.taken.filter(kind="USED").count() == 1
        assert coupon.taken.get(kind="USED").actor == at_till.user

    def test_a_code_is_typed(self, at_till, of, coupon):
        _batch, (code, *_others) = generated()

        receipt = self.use(at_till, meet(at_till, of), code=code)

        assert "Coupon used" in said(receipt)

    def test_what_was_used_here_is_found_again(self, at_till, of, coupon, store):
        receipt = self.use(at_till, meet(at_till, of)).request["PATH_INFO"]
        elsewhere = clerk(factories.store(store.organization), username="elsewhere")

        assert f"coupons/{receipt.rstrip('/').rpartition('/')[2]}/" in said(meet(at_till, of))
        assert "Look</a>" not in said(meet(elsewhere, of))

    def test_is_undone_within_its_minutes(self, at_till, of, coupon, clock):
        receipt = self.use(at_till, meet(at_till, of))
        clock.shift(timedelta(minutes=10))

        for _twice in range(2):
            assert "Undone" in said(do(at_till, receipt, "undo"))

        coupon.refresh_from_db()
        assert coupon.state == "OPEN"

    def test_the_receipt_is_sent_once_and_of_what_was_undone_never(self, at_till, of, coupon):
        receipt = self.use(at_till, meet(at_till, of))
        assert 'value="send"' in said(receipt)
        for _twice in range(2):
            do(at_till, receipt, "send")

        (message,) = Message.objects.filter(template="counter.coupon_used")
        assert message.member_id == of.id
        assert message.variables["off"] == "30.00"
        undone = do(at_till, receipt, "undo")
        assert 'value="send"' not in said(undone)
        assert do(at_till, undone, "send").status_code == 404

    def test_the_receipt_of_what_is_free_says_what_it_was(self, at_till, of):
        free = issued(running(kind="ITEM", item={"zh-hans": "茶", "en": "Tea"}), of)
        token = coupon_queries.token_of(free)
        page = meet(at_till, of)

        do(at_till, self.use(at_till, page, code=token), "send")

        (message,) = Message.objects.filter(template="counter.coupon_gave")
        assert message.variables["item"] == "Tea"

    def test_is_not_undone_later_nor_at_another_store(self, at_till, of, coupon, store, clock):
        receipt = self.use(at_till, meet(at_till, of))
        elsewhere = clerk(factories.store(store.organization), username="elsewhere")
        visit = meet(elsewhere, of).request["PATH_INFO"]
        there = f"{visit}coupons/{coupon.pk}/"
        assert elsewhere.post(there, {"deed": "undo"}).status_code == 404
        clock.shift(timedelta(minutes=11))

        assert do(at_till, receipt, "undo").status_code == 409

        coupon.refresh_from_db()
        assert coupon.state == "USED"

    def test_a_refusal_is_told_on_the_page(self, at_till, of, coupon):
        page = self.use(at_till, meet(at_till, of), code="NOSUCHCODE")

        assert page.status_code == 404
        assert 'role="alert"' in said(page)

    def test_another_members_is_refused(self, at_till, of, coupon):
        other = factories.identity()
        theirs = coupon_queries.token_of(issued(coupon.batch, other))

        page = self.use(at_till, meet(at_till, of), code=theirs)

        assert page.status_code == 409
        assert not coupon.taken.filter(kind="USED").exists()


class TestWeight:
    @pytest.mark.parametrize("part", ["start", "visit", "receipt"])
    def test_a_page_is_light_and_needs_no_script(self, at_till, of, part, settings):
        """At 3G speed, 50 kB a second: each page with its style is there in half a second."""
        pages = {"start": at_till.get(reverse("counter:start")), "visit": meet(at_till, of)}
        pages["receipt"] = deliver(at_till, pages["visit"])
        page = said(pages[part])
        files = {
            settings.BASE_DIR / "static" / name
            for name in re.findall(r'/static/((?:css|js)/[^".]+)', page)
        }
        weight = len(page.encode()) + sum(
            next(each.parent.glob(f"{each.name}*")).stat().st_size for each in files
        )

        assert weight < 20_000
        assert (page.count("<script"), "onclick" in page) == (1 if part == "start" else 0, False)
