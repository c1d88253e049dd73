"""Money for orders, with WeChat Pay on a port of this machine: asked for, heard of, given back."""

import json
import time
from datetime import timedelta
from decimal import Decimal
from urllib.parse import quote

import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.urls import reverse
from django.utils.timezone import localdate

from benefits.models.orders import Order, OrderStep
from benefits.models.payments import Payment, PaymentNews, PaymentTry, Refund
from benefits.nightly.orders import verify_orders, verify_stock
from benefits.operations import _paying, orders, payments
from benefits.operations._paying import CostsMoney
from benefits.operations.items import Limit, Price
from benefits.payments import WeChatPay
from benefits.payments.checks import wechat_pay_is_complete
from points import operations as points
from points.models import Entry, Lot
from tests.benefits.buying import AT, order, points_of, rich
from tests.benefits.paying import LATER, PRICE, begun, follow, payment_of, placed, wechat_pay
from tests.benefits.plan import publish, someone
from tests.benefits.shop import listed, remaining
from tests.factories import lot, staff
from tests.providers import HANG_UP

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _in_july():
    publish()
    with time_machine.travel(AT, tick=False):
        yield


@pytest.fixture
def pay(settings):
    with wechat_pay(settings) as server:
        yield server


@pytest.fixture
def told(client, pay):
    """Post a notice about a payment, and answer with its status."""

    def post(about, **how):
        body, headers = pay.notice(about, **how)
        door = reverse("benefits:payment_notice", args=["wechat"])
        return client.post(door, body, content_type="application/json", headers=headers).status_code

    return post


def fresh(one):
    return Order.objects.get(pk=one.pk)


def lots(of):
    return list(Lot.objects.filter(member=of.id).order_by("seq").values_list("seq", "remaining"))


def nothing_is_wrong():
    orders_told, stock_told = verify_orders(day=localdate(AT)), verify_stock(day=localdate(AT))
    return (orders_told.get("findings"), stock_told.get("findings")) == (None, None)


def test_an_order_that_costs_money_too_waits_for_it_with_everything_set_aside(pay):
    item, one = listed(pieces=5, prices=PRICE, limits=(Limit(1, "MONTH"),)), rich()
    made = placed(one, item)

    payment = payment_of(made)
    assert (made.state, made.points, points_of(one), remaining(item)) == ("PLACED", 400, 4600, 4)
    assert (payment.amount, payment.currency, payment.state) == (Decimal(60), "CNY", "WAITING")
    assert payment.until == made.due_at == AT + timedelta(minutes=30)
    held = Entry.objects.get(member=one.id, seq=made.debit_seq)
    assert (held.kind, held.points, held.held) == ("HOLD", -400, 400)
    assert nothing_is_wrong()


def test_the_notice_makes_it_paid_and_a_repeat_changes_nothing(pay, told):
    one = rich()
    made = placed(one)
    payment = begun(made)
    assert payment.address.startswith("weixin://wxpay/bizpayurl?pr=")
    assert pay.sent[0]["amount"] == {"total": 6000, "currency": "CNY"}
    assert pay.sent[0]["notify_url"].endswith("/callbacks/payments/wechat/")
    about = pay.pay(payment.number)

    assert [told(about) for _ in range(3)] == [204] * 3
    paid, payment = fresh(made), payment_of(made)
    assert (paid.state, payment.state, points_of(one)) == ("PAID", "PAID", 4600)
    assert payment.transaction == about["transaction_id"]
    assert PaymentNews.objects.count() == 1
    entry = Entry.objects.get(member=one.id, seq=paid.debit_seq)
    assert (entry.kind, entry.worth) == ("REDEEM", -400)
    kinds = OrderStep.objects.filter(order=made).order_by("nth").values_list("kind", flat=True)
    assert list(kinds) == ["PLACED", "PAID"]
    assert nothing_is_wrong()


def test_what_money_alone_pays_needs_no_points(pay, told):
    one = someone()
    made = placed(one, listed(pieces=1, prices=(Price(0, 60),)))
    assert (made.points, made.debit_seq, made.state) == (0, None, "PLACED")
    told(pay.pay(begun(made).number))

    assert fresh(made).state == "PAID"
    assert nothing_is_wrong()


@pytest.mark.parametrize(
    "how",
    [
        {"signer": rsa.generate_private_key(public_exponent=65537, key_size=2048)},
        {"late": 400},
        {"late": -400},
        {"key": "another key of 32 characters.--!"},
    ],
    ids=["another signer", "old", "of the future", "sealed with another key"],
)
def test_a_notice_that_is_not_genuine_is_refused_and_leaves_no_trace(pay, told, how):
    how = dict(how)
    made = placed()
    about = pay.pay(begun(made).number)

    if late := how.pop("late", 0):
        how["at"] = time.time() - late
    assert told(about, **how) == 401
    assert fresh(made).state == "PLACED"
    assert not PaymentNews.objects.exists()


def test_an_unsigned_body_is_not_even_read(pay, client):
    made = placed()
    about = pay.pay(begun(made).number)
    door = reverse("benefits:payment_notice", args=["wechat"])
    body, headers = pay.notice(about)

    for given, signed in ((json.dumps(about), {}), (body + b" ", headers)):
        answer = client.post(door, given, content_type="application/json", headers=signed)
        assert answer.status_code == 401
        assert answer.json()["code"] == "FAIL"
    assert fresh(made).state == "PLACED"
    for name in ("nobody", "sandbox"):
        door = reverse("benefits:payment_notice", args=[name])
        assert client.post(door, body, content_type="application/json").status_code == 404


def test_a_notice_about_another_account_is_refused(pay, told):
    made = placed()
    about = pay.pay(begun(made).number)

    assert told(about | {"mchid": "1900000002"}) == 401
    assert told(about | {"appid": "wx2"}) == 401
    assert told(about | {"out_trade_no": "D0000000000P00000000"}) == 404
    assert told(about | {"trade_state": "NOTPAY"}) == 401
    assert fresh(made).state == "PLACED"


def test_a_notice_about_something_else_is_taken_and_changes_nothing(pay, told):
    made = placed()
    about = pay.pay(begun(made).number)

    assert told(about, event="REFUND.SUCCESS") == 204
    assert fresh(made).state == "PLACED"


@pytest.mark.parametrize(
    "amount", [{"total": 5999, "currency": "CNY"}, {"total": 6000, "currency": "HKD"}]
)
def test_another_amount_is_refused_and_staff_see_it(pay, told, amount, caplog):
    made = placed()
    about = pay.pay(begun(made).number, amount=amount)

    assert [told(about), told(about)] == [400, 400]
    assert fresh(made).state == "PLACED"
    (news,) = PaymentNews.objects.all()
    assert (news.verdict, news.currency) == ("OTHER_AMOUNT", amount["currency"])
    assert "was refused" in caplog.text
    # Its time over, it is cancelled as not paid; whose money that was, people find out.
    follow(LATER)
    assert fresh(made).state == "CANCELLED"


def test_a_second_transaction_for_one_payment_is_refused(pay, told):
    made = placed()
    about = pay.pay(begun(made).number)
    told(about)

    assert told(about | {"transaction_id": "4200099"}) == 400
    assert payment_of(made).transaction == about["transaction_id"]


# --- Nobody pays ----------------------------------------------------------------------------------


def test_what_is_not_paid_in_time_gives_everything_back(pay):
    one = someone()
    lot(one, 300), lot(one, 300)
    item, before = listed(pieces=5, prices=PRICE, limits=(Limit(1, "LIFETIME"),)), lots(one)
    made = placed(one, item)
    begun(made)
    assert follow(AT + timedelta(minutes=29)) == {"payments": 0, "refunds": 0}
    assert follow(LATER) == {"payments": 1, "refunds": 0}

    gone = fresh(made)
    assert (gone.state, gone.points_back, gone.due_at) == ("CANCELLED", 400, None)
    assert (lots(one), remaining(item)) == (before, 5)
    step = OrderStep.objects.filter(order=made).order_by("nth").last()
    assert (step.kind, step.taker, step.why) == ("CANCELLED", "NIGHT", "NOT_PAID")
    payment = payment_of(made)
    assert (payment.state, payment.due_at) == ("CLOSED", None)
    # Nobody can pay it any more.
    assert pay.orders[payment.number]["trade_state"] == "CLOSED"
    assert order(one, item).state == "PLACED"
    assert nothing_is_wrong()


def test_what_nobody_began_to_pay_is_unknown_to_the_provider_and_is_cancelled(pay):
    made = placed()
    follow(LATER)

    assert fresh(made).state == "CANCELLED"


def test_a_lost_notice_is_asked_for_before_an_order_is_given_up(pay):
    one = rich()
    made = placed(one)
    pay.pay(begun(made).number)
    follow(LATER)

    assert (fresh(made).state, points_of(one)) == ("PAID", 4600)
    assert PaymentNews.objects.get().was_asked
    assert nothing_is_wrong()


def test_who_pays_just_when_it_is_closed_has_paid(pay):
    made = placed()
    payment = begun(made)
    order_there = dict(pay.orders[payment.number])
    pay.pay(payment.number)
    # What it said a moment before.
    pay.answers.append(pay.signed(200, order_there))
    follow(LATER)
    assert fresh(made).state == "PLACED"
    follow(LATER + timedelta(minutes=3))

    assert fresh(made).state == "PAID"


def test_a_provider_that_does_not_answer_is_waited_for_and_then_not(pay):
    one = rich()
    made = placed(one)
    begun(made)
    pay.answers += [HANG_UP] * 3
    follow(LATER)
    assert (fresh(made).state, points_of(one)) == ("PLACED", 4600)
    assert payment_of(made).trouble
    follow(LATER + timedelta(hours=1))

    assert (fresh(made).state, points_of(one)) == ("CANCELLED", 5000)
    # It is asked for still, and closed there.
    assert payment_of(made).due_at is not None
    follow(LATER + timedelta(hours=2))
    assert payment_of(made).due_at is None
    assert pay.orders[payment_of(made).number]["trade_state"] == "CLOSED"


def test_one_answer_that_wechat_did_not_sign_is_none(pay):
    made = placed()
    payment = begun(made)
    lie = dict(pay.pay(payment.number))
    pay.answers.append((200, {}, lie))
    follow(LATER)

    assert fresh(made).state == "PLACED"


# --- Too late, or not wanted any more -------------------------------------------------------------


@pytest.mark.parametrize("how", ["time", "member"])
def test_what_is_paid_too_late_goes_back_and_nothing_else_changes(pay, told, how):
    one, item = rich(), listed(pieces=5, prices=PRICE)
    made = placed(one, item)
    number = begun(made).number
    if how == "time":
        follow(LATER)
    else:
        orders.cancel(order_id=made.pk, why="CHANGED_MIND", at=AT)
    about = pay.pay(number)
    steps = OrderStep.objects.count()

    assert [told(about), told(about)] == [204, 204]
    assert (fresh(made).state, OrderStep.objects.count()) == ("CANCELLED", steps)
    assert (points_of(one), remaining(item)) == (5000, 5)
    follow(LATER)
    refund = Refund.objects.get()
    assert (refund.state, refund.amount, refund.name) == ("DONE", Decimal(60), "50300000")
    assert PaymentNews.objects.get().verdict == "LATE"
    assert nothing_is_wrong()


def test_points_that_staff_gave_back_meanwhile_end_the_order_and_the_money_goes_back(pay, told):
    one = rich()
    made = placed(one)
    about = pay.pay(begun(made).number)
    held = Entry.objects.get(member=one.id, seq=made.debit_seq)
    points.release_by_hand(held=held, at=AT, by=staff(), reason="误占")

    assert told(about) == 204
    assert (fresh(made).state, Refund.objects.get().state) == ("CANCELLED", "WAITING")
    assert points_of(one) == 5000


@pytest.mark.parametrize("way", ["cancel", "take_back"])
def test_what_was_paid_and_is_undone_gives_money_and_points_back(pay, told, way):
    one = someone()
    lot(one, 300), lot(one, 300)
    item, before, by = listed(pieces=5, prices=PRICE), lots(one), staff()
    made = placed(one, item)
    told(pay.pay(begun(made).number))
    if way == "cancel":
        orders.cancel(order_id=made.pk, why="CHANGED_MIND", at=AT)
    else:
        orders.pick(order_id=made.pk, at=AT, by=by)
        orders.ship(order_id=made.pk, carrier="顺丰", shipment="SF1", at=AT, by=by)
        orders.take_back(order_id=made.pk, note="退", to_stock=True, at=AT, by=by)

    assert (lots(one), remaining(item), fresh(made).points_back) == (before, 5, 400)
    assert Refund.objects.get().state == "WAITING"
    assert follow(AT) == {"payments": 0, "refunds": 1}
    assert Refund.objects.get().state == "DONE"
    assert follow(LATER) == {"payments": 0, "refunds": 0}
    assert len(pay.refunds) == 1
    assert nothing_is_wrong()


def test_a_refund_that_is_on_its_way_is_asked_after_and_one_that_fails_is_seen(pay, told):
    made, by = placed(), staff()
    told(pay.pay(begun(made).number))
    orders.cancel(order_id=made.pk, why="CHANGED_MIND", at=AT)
    pay.refunded = "PROCESSING"
    follow(AT)
    assert Refund.objects.get().state == "RUNNING"
    pay.answers.append(pay.error("NOT_ENOUGH", 403))
    follow(AT + timedelta(minutes=5))
    refund = Refund.objects.get()
    assert (refund.state, refund.trouble) == ("RUNNING", "NOT_ENOUGH no")
    assert refund.due_at == AT + timedelta(minutes=65)
    pay.refunded = "ABNORMAL"
    follow(AT + timedelta(hours=2))
    assert Refund.objects.get().state == "FAILED"
    assert follow(AT + timedelta(days=2))["refunds"] == 0

    payments.refund_again(order_id=made.pk, note="已换卡", at=AT, by=by)
    pay.refunded = "SUCCESS"
    follow(AT + timedelta(days=2))
    assert Refund.objects.get().state == "DONE"
    assert len(pay.refunds) == 1
    with pytest.raises(payments.RefundNotFailed):
        payments.refund_again(order_id=made.pk, note="再来", at=AT, by=by)


# --- In several ways ------------------------------------------------------------------------------


@pytest.fixture
def phone(settings, pay):
    settings.WECHAT_PAY_H5 = True


def by_phone(one, *, at=AT):
    return payments.begin(order_id=one.pk, at=at, way="H5", payer_ip="203.0.113.9")


def open_there(pay):
    """Numbers that somebody could pay."""
    return [name for name, each in pay.orders.items() if each["trade_state"] == "NOTPAY"]


@pytest.mark.usefixtures("phone")
class TestOnThePhone:
    def test_a_link_leads_into_wechat_and_back(self, pay, told):
        made = placed()
        one = by_phone(made)

        assert one.address.startswith("https://wx.tenpay.com/")
        back = quote(f"{settings.SITE_URL}{reverse('benefits:order_pay', args=[made.pk])}", safe="")
        assert one.address.endswith(f"&redirect_url={back}")
        assert pay.sent[0]["scene_info"]["payer_client_ip"] == "203.0.113.9"
        assert told(pay.pay(one.number)) == 204
        assert fresh(made).state == "PAID"

    def test_of_two_ways_one_is_open_and_either_pays(self, pay, told):
        one = rich()
        made = placed(one)
        code, link = begun(made), by_phone(made)
        assert (code.way, link.way) == ("NATIVE", "H5")
        assert link.number == f"{code.number}-2"
        assert open_there(pay) == [link.number]
        again = begun(made)
        assert open_there(pay) == [again.number] == [f"{code.number}-3"]

        assert told(pay.pay(again.number)) == 204
        assert fresh(made).state == "PAID"
        orders.cancel(order_id=made.pk, why="CHANGED_MIND", at=AT)
        follow(AT)
        assert Refund.objects.get().state == "DONE", "by the number of what was paid"
        assert points_of(one) == 5000
        assert nothing_is_wrong()

    def test_who_has_paid_in_one_way_is_not_asked_in_another(self, pay):
        made = placed()
        pay.pay(begun(made).number)

        with pytest.raises(payments.NotPayableNow):
            by_phone(made)
        assert fresh(made).state == "PAID"
        assert len(pay.orders) == 1
        assert PaymentNews.objects.get().was_asked

    def test_a_link_is_good_for_minutes_and_then_there_is_another(self, pay):
        made = placed()
        first = by_phone(made)

        assert by_phone(made, at=AT + timedelta(minutes=3)).address == first.address
        assert len(pay.sent) == 1
        second = by_phone(made, at=AT + timedelta(minutes=5))
        assert open_there(pay) == [second.number] != [first.number]

    def test_what_another_window_withdrew_meanwhile_is_closed(self, pay, monkeypatch):
        made, begin = placed(), WeChatPay.begin

        def slowly(provider, asked):
            address = begin(provider, asked)
            PaymentTry.objects.update(closed_at=AT)
            return address

        monkeypatch.setattr(WeChatPay, "begin", slowly)
        with pytest.raises(payments.NotPayableNow):
            begun(made)
        assert open_there(pay) == []

    def test_when_the_time_is_over_nobody_can_pay_in_any_way(self, pay):
        made = placed()
        begun(made), by_phone(made)
        follow(LATER)

        assert open_there(pay) == []
        assert fresh(made).state == "CANCELLED"

    def test_a_crash_before_the_answer_goes_on_under_the_same_number(self, pay):
        made = placed()
        pay.answers.append(HANG_UP)
        with pytest.raises(payments.ProviderAway):
            by_phone(made)

        assert by_phone(made).number == payment_of(made).number
        assert PaymentTry.objects.count() == 1

    def test_the_database_keeps_to_one_at_a_time(self, pay):
        made = placed()
        one = begun(made)
        changes = [
            lambda: PaymentTry.objects.create(
                payment=one.payment, nth=2, way="H5", number="other", begun_at=AT
            ),
            lambda: PaymentTry.objects.update(number="other"),
            lambda: PaymentTry.objects.update(way="H5"),
        ]
        for change in changes:
            with pytest.raises(DatabaseError), transaction.atomic():
                change()


class TestInsideWeChat:
    @pytest.fixture(autouse=True)
    def _known_there(self, settings, pay):
        settings.WECHAT_APP_ID, settings.WECHAT_PAY_JSAPI = pay.app, True

    def inside(self, one, openid="oABC", *, at=AT):
        return payments.begin(order_id=one.pk, at=at, way="JSAPI", openid=openid)

    def test_a_sheet_is_signed_for_who_pays(self, pay, told):
        made = placed()
        one = self.inside(made)

        assert pay.sent[0]["payer"] == {"openid": "oABC"}
        assert pay.shows(payments.sheet(one))
        assert payments.sheet(one)["paySign"] != payments.sheet(one)["paySign"], "another nonce"
        assert told(pay.pay(one.number)) == 204
        assert fresh(made).state == "PAID"

    def test_another_wechat_gets_a_sheet_of_its_own(self, pay):
        made = placed()
        first, second = self.inside(made), self.inside(made, "oOTHER")

        assert open_there(pay) == [second.number] != [first.number]
        assert not pay.shows(payments.sheet(first))

    def test_a_crash_on_the_way_locks_nobody_out(self, pay):
        made = placed()
        pay.answers.append(HANG_UP)
        with pytest.raises(payments.ProviderAway):
            self.inside(made)

        assert self.inside(made, "oOTHER").address

    def test_without_knowing_who_pays_it_is_refused(self, pay):
        with pytest.raises(payments.WayNotOffered):
            self.inside(placed(), "")

    def test_of_another_application_openids_are_of_no_use(self, settings, pay):
        settings.WECHAT_APP_ID = "wx2"

        with pytest.raises(payments.WayNotOffered):
            self.inside(placed())

    def test_a_code_has_no_sheet(self, pay):
        assert payments.sheet(begun(placed())) == {}


def test_a_way_the_provider_has_not_is_refused(pay):
    made = placed()

    for way in ("H5", "JSAPI", "", "native", "x" * 500):
        with pytest.raises(payments.WayNotOffered):
            payments.begin(order_id=made.pk, at=AT, way=way)
    assert pay.sent == []


# --- The rest -------------------------------------------------------------------------------------


def test_a_repeat_asks_the_provider_once_and_an_order_that_ended_is_not_payable(pay):
    made = placed()
    assert begun(made).address == begun(made).address
    assert len(pay.sent) == 1
    with pytest.raises(payments.NotPayableNow):
        begun(made, at=LATER)
    orders.cancel(order_id=made.pk, why="CHANGED_MIND", at=AT)
    with pytest.raises(payments.NotPayableNow):
        begun(made)


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        (HANG_UP, payments.ProviderAway),
        ((503, {}, b"busy"), payments.ProviderAway),
        ((429, {}, {"code": "RATELIMIT_EXCEEDED", "message": ""}), payments.ProviderAway),
        ((401, {}, {"code": "SIGN_ERROR", "message": ""}), payments.ProviderAway),
        ((500, {}, {"code": "SYSTEM_ERROR", "message": ""}), payments.ProviderAway),
        ((400, {}, {"code": "PARAM_ERROR", "message": ""}), payments.NotPayableNow),
    ],
)
def test_what_the_provider_answers_instead_of_a_code(pay, answer, refusal):
    made = placed()
    pay.answers.append(answer)

    with pytest.raises(refusal):
        begun(made)
    assert begun(made).address


def test_without_a_provider_nothing_that_costs_money_is_ordered(settings):
    settings.SANDBOX = False
    with pytest.raises(CostsMoney):
        placed()


def test_wechat_takes_no_other_currency(pay, monkeypatch):
    monkeypatch.setattr(_paying, "currency", lambda: "EUR")
    with pytest.raises(CostsMoney):
        placed()


def test_the_database_lets_no_payment_change_what_it_says(pay, told):
    made = placed()
    told(pay.pay(begun(made).number))

    for change in ({"amount": 1}, {"state": "WAITING"}, {"transaction": "x"}):
        with pytest.raises(DatabaseError), transaction.atomic():
            Payment.objects.filter(order=made).update(**change)
    with pytest.raises(DatabaseError), transaction.atomic():
        PaymentNews.objects.update(amount=1)
    with pytest.raises(DatabaseError), transaction.atomic():
        Order.objects.filter(pk=made.pk).update(debit_seq=1)


@pytest.mark.parametrize(
    "broken",
    [
        "UPDATE benefits_payment SET amount = 1",
        "UPDATE benefits_payment SET state = 'WAITING', transaction = '', paid_at = NULL",
        (
            "INSERT INTO benefits_refund (payment_id, number, amount, state, name, made_at, tries,"
            " trouble) SELECT id, 'r', amount, 'WAITING', '', now(), 0, '' FROM benefits_payment"
        ),
    ],
)
def test_money_that_does_not_add_up_is_found(pay, told, broken):
    made = placed()
    told(pay.pay(begun(made).number))
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE benefits_payment DISABLE TRIGGER USER")
        cursor.execute(broken)

    assert verify_orders(day=localdate(AT))["findings"] == [f"money,{made.pk}"]


def test_no_secret_stands_in_a_log(pay, told, caplog, settings):
    caplog.set_level("DEBUG")
    made = placed()
    told(pay.pay(begun(made).number))

    for secret in (settings.WECHAT_PAY_API_V3_KEY, settings.WECHAT_PAY_PRIVATE_KEY[100:160]):
        assert secret not in caplog.text


def test_a_half_set_up_provider_is_told_before_anybody_pays(pay, settings):
    assert wechat_pay_is_complete() == []
    settings.WECHAT_PAY_API_V3_KEY = "short"
    settings.WECHAT_PAY_PUBLIC_KEY = "no key!"
    (error,) = wechat_pay_is_complete()

    assert "WECHAT_PAY_API_V3_KEY, WECHAT_PAY_PUBLIC_KEY missing" in error.msg
    settings.WECHAT_PAY_MERCHANT_ID = ""
    assert wechat_pay_is_complete() == []
