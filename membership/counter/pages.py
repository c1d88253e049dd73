"""The pages of the counter: find the member, see what they have, do it, and show what was done."""

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.timezone import localdate
from django.utils.translation import gettext

from benefits import operations as benefits
from benefits import queries as rights
from benefits import words
from benefits.coupons.discounts import Line
from benefits.models import Kind, Right
from benefits.models.coupons import Coupon, CouponState
from benefits.queries import coupons, orders
from common.errors import DomainError
from members import masking, phones
from members import operations as members
from members import queries as member_queries
from members.models import Member, MemberStatus
from members.queries import Identity
from membership.counter import belongings, receipts, visits
from membership.counter.access import CounterPage
from membership.counter.forms import (
    BillForm,
    CodeForm,
    CouponForm,
    DeliverForm,
    PhoneForm,
    ProveForm,
)
from membership.counter.receipts import REFERENCE
from membership.counter.visits import Visit
from points import operations as points
from points import queries as ledger
from programme import queries as programme
from programme.policies import BillTerms


class StartPage(CounterPage):
    """Find the member: scan the code, or type digits and name."""

    template_name = "counter/start.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._page()

    def post(self, request: HttpRequest) -> HttpResponse:
        by_code = "code" in request.POST
        form: forms.Form = (CodeForm if by_code else PhoneForm)(request.POST)
        if not form.is_valid():
            return self._page(HTTPStatus.UNPROCESSABLE_ENTITY, **{_name(by_code=by_code): form})
        try:
            visit = self._by_code(form) if by_code else self._by_phone(form)
        except DomainError as refusal:
            form.add_error(None, refusal.sentence)
            return self._page(refusal.status, **{_name(by_code=by_code): form})
        return redirect("counter:visit", visit.sign())

    def _by_code(self, form: forms.Form) -> Visit:
        code = form.cleaned_data["code"]
        now = timezone.now()
        met = members.meet_by_card(card=code, at=now, **self._here())
        return self._visit(met, card=code)

    def _by_phone(self, form: forms.Form) -> Visit:
        return self._visit(members.meet_by_phone(**form.cleaned_data, **self._here()))

    def _here(self) -> dict[str, Any]:
        return {"by": self.counter.clerk, "store_id": self.counter.store.pk}

    def _visit(self, met: Member, *, card: str = "") -> Visit:
        return Visit(
            member_id=met.pk,
            clerk_id=self.counter.clerk.pk,
            store_id=self.counter.store.pk,
            met_at=timezone.now().isoformat(),
            card=card,
        )

    def _page(self, status: int = HTTPStatus.OK, **refused: forms.Form) -> HttpResponse:
        shown = {"code_form": CodeForm(), "phone_form": PhoneForm(), **refused}
        return self.render_to_response(self.get_context_data(**shown), status=status)


def _name(*, by_code: bool) -> str:
    return "code_form" if by_code else "phone_form"


class VisitPart(CounterPage):
    """A page about the member whom the clerk has found. The visit says which; when over: start."""

    visit: Visit
    member: Member

    def arrive(self) -> HttpResponseBase | None:
        try:
            self.visit = visits.read(self.kwargs["visit"], at=self.counter)
        except visits.VisitOver as refusal:
            messages.error(self.request, str(refusal.sentence))
            return redirect("counter:start")
        found = Member.objects.select_related("standing").get(pk=self.visit.member_id)
        self.member = member_queries.surviving(found)
        return None

    @property
    def identity(self) -> Identity:
        return member_queries.identity(self.member)

    @property
    def token(self) -> str:
        return str(self.kwargs["visit"])

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(
            visit=self.token,
            member=self.member,
            name=masking.name(self.member.name),
            phone=phones.masked(self.member.phone),
            **context,
        )


class VisitPage(VisitPart):
    """What the member has, and what can be done with it here."""

    template_name = "counter/visit.html"

    def get(self, request: HttpRequest, visit: str) -> HttpResponse:
        return self.page()

    def page(
        self,
        status: int = HTTPStatus.OK,
        *,
        bill_form: BillForm | None = None,
        coupon_form: CouponForm | None = None,
        refused: str = "",
    ) -> HttpResponse:
        context = self.get_context_data(
            bill_form=bill_form or BillForm(initial={"once": visits.once()}),
            # Beside the other form: what they name must not be named twice on a page.
            coupon_form=coupon_form
            or CouponForm(auto_id="coupon_%s", initial={"once": visits.once()}),
            refused=refused,
        )
        return self.render_to_response(context, status=status)

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        now = timezone.now()
        today = localdate(now)
        spendable = ledger.spendable_points(self.member.pk, on=today, at=now)
        has = belongings.of(self.member, at=self.counter, now=now)
        return super().get_context_data(
            tier=has.tier.name if has.tier else "",
            points=spendable,
            worth=receipts.worth_of(spendable),
            terms=_bill_terms(now),
            services=[
                {"offer": each, "told": _told(each), "once": visits.once()}
                for each in has.offers
                if each.benefit.kind == Kind.SERVICE
            ],
            others=[
                (each, _told(each)) for each in has.offers if each.benefit.kind != Kind.SERVICE
            ],
            coupons=[
                {
                    "name": coupons.definition(each.batch_id).name,
                    "last_on": each.last_on,
                    "code": coupons.token_of(each),
                    "asks_bill": coupons.definition(each.batch_id).is_bill_needed,
                    "once": visits.once(),
                }
                for each in has.coupons
            ],
            latest=has.deeds,
            orders=orders.ready_for(self.member.pk, self.counter.store.pk),
            stopped_until=member_queries.spending_stopped_until(self.member, at=now),
            is_active=self.member.status == MemberStatus.ACTIVE,
            **context,
        )


def _bill_terms(at: datetime) -> BillTerms | None:
    try:
        return points.terms_on_bills(at)
    except (points.NotForBills, programme.NoRulebook):
        return None


def _told(offer: rights.Offer) -> str:
    return words.cell(offer.cell) if offer.cell else ""


class Deliver(VisitPage):
    """Hand over what a benefit promises. A second tap comes to the same receipt."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, visit: str) -> HttpResponse:
        form = DeliverForm(request.POST)
        if not form.is_valid():
            return redirect("counter:visit", visit)
        try:
            right = benefits.deliver(
                member=self.identity,
                benefit=form.cleaned_data["benefit"],
                shown=self.visit.shown,
                at=timezone.now(),
                who=self.counter.who,
                reference=REFERENCE + form.cleaned_data["once"],
            )
        except DomainError as refusal:
            return self.page(refusal.status, refused=str(refusal.sentence))
        return redirect("counter:right", visit, right.pk)


class Prove(VisitPart):
    """Hand over what a benefit promises with a proof: signed here, a photo, or the code."""

    template_name = "counter/prove.html"

    def get(self, request: HttpRequest, visit: str, benefit: str) -> HttpResponse:
        return self._page(ProveForm(initial={"benefit": benefit, "once": visits.once()}))

    def post(self, request: HttpRequest, visit: str, benefit: str) -> HttpResponse:
        form = ProveForm(request.POST, request.FILES)
        if not form.is_valid():
            return self._page(form, HTTPStatus.UNPROCESSABLE_ENTITY)
        now = timezone.now()
        try:
            right = benefits.deliver(
                member=self.identity,
                benefit=benefit,
                shown=form.shown(at=now),
                at=now,
                who=self.counter.who,
                reference=REFERENCE + form.cleaned_data["once"],
            )
        except DomainError as refusal:
            form.add_error(None, refusal.sentence)
            return self._page(form, refusal.status)
        return redirect("counter:right", visit, right.pk)

    def _page(self, form: ProveForm, status: int = HTTPStatus.OK) -> HttpResponse:
        found = rights.matrix_on(localdate()).find(self.kwargs["benefit"])
        context = self.get_context_data(
            form=form, benefit=found.name if found else self.kwargs["benefit"]
        )
        return self.render_to_response(context, status=status)


class HoldForBill(VisitPage):
    """Set points aside for a bill; the next page says what is left to pay."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, visit: str) -> HttpResponse:
        form = BillForm(request.POST)
        if not form.is_valid():
            return self.page(HTTPStatus.UNPROCESSABLE_ENTITY, bill_form=form)
        once = form.cleaned_data["once"]
        try:
            points.hold_for_bill(
                member=self.identity,
                points=form.cleaned_data["points"],
                bill=form.cleaned_data["bill"],
                reference=REFERENCE + once,
                at=timezone.now(),
                till=self.counter.till,
            )
        except DomainError as refusal:
            form.add_error(None, refusal.sentence)
            return self.page(refusal.status, bill_form=form)
        return redirect("counter:bill", visit, once)


class UseCoupon(VisitPage):
    """Use a coupon up: one of the member's, or one whose code was scanned or typed."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, visit: str) -> HttpResponse:
        form = CouponForm(request.POST, auto_id="coupon_%s")
        if not form.is_valid():
            return self.page(HTTPStatus.UNPROCESSABLE_ENTITY, coupon_form=form)
        bill = form.cleaned_data["bill"]
        try:
            taken = benefits.consume_coupon(
                code=form.cleaned_data["code"],
                at=timezone.now(),
                who=self.counter.who,
                receipt=REFERENCE + form.cleaned_data["once"],
                lines=None if bill is None else [Line("", bill)],
                member=self.identity,
            )
        except DomainError as refusal:
            form.add_error(None, refusal.sentence)
            return self.page(refusal.status, coupon_form=form)
        return redirect("counter:coupon", visit, taken.coupon.pk)


class ReceiptPage(VisitPart):
    """What was done, to print or to send; and what can still be done about it."""

    deeds: Mapping[str, str] = {}

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        deed = self.deeds.get(request.POST.get("deed", ""))
        if deed is None:
            raise Http404
        try:
            getattr(self, deed)(now=timezone.now())
        except DomainError as refusal:
            context = self.get_context_data(refused=str(refusal.sentence))
            return self.render_to_response(context, status=refusal.status)
        if deed == "send":
            messages.success(request, gettext("The receipt is sent to the member."))
        return redirect(request.path)

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return self.render_to_response(self.get_context_data())


class RightPage(ReceiptPage):
    template_name = "counter/right.html"
    deeds = {"undo": "undo", "send": "send"}

    def arrive(self) -> HttpResponseBase | None:
        if answer := super().arrive():
            return answer
        found = Right.objects.filter(
            pk=self.kwargs["pk"], member_id__in=rights.guests_of(self.member.pk)
        )
        # One that was undone has no store any more; who did it says whose it was.
        mine = found.filter(taken__kind="DELIVERED", taken__store=self.counter.store)
        right = mine.distinct().first()
        if right is None:
            raise Http404
        self.right = right
        return None

    def undo(self, *, now: datetime) -> None:
        benefits.undo(
            right_id=self.right.pk,
            at=now,
            who=self.counter.who,
            reference=REFERENCE + self.request.POST.get("once", "")[:24],
        )

    def send(self, *, now: datetime) -> None:
        receipts.send_right(self.right, to=self.member, at=self.counter, now=now)

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(
            receipt=receipts.of_right(self.right, now=timezone.now()),
            once=visits.once(),
            **context,
        )


class BillPage(ReceiptPage):
    """A bill that points pay a part of: to be paid, paid, or given up."""

    template_name = "counter/bill.html"
    deeds = {"pay": "pay", "drop": "drop", "undo": "undo", "send": "send"}

    def arrive(self) -> HttpResponseBase | None:
        if answer := super().arrive():
            return answer
        try:
            self.held = ledger.hold(
                issuer_id=self.counter.store.organization_id,
                reference=REFERENCE + self.kwargs["once"],
                only_stores=[self.counter.store.pk],
            )
        except ledger.UnknownHold as error:
            raise Http404 from error
        if self.held.member_id not in rights.guests_of(self.member.pk):
            raise Http404
        return None

    def pay(self, *, now: datetime) -> None:
        points.pay_bill(held=self.held, at=now, till=self.counter.till)

    def drop(self, *, now: datetime) -> None:
        points.drop_bill(held=self.held, at=now, till=self.counter.till)

    def undo(self, *, now: datetime) -> None:
        points.give_back_bill(held=self.held, at=now, till=self.counter.till)

    def send(self, *, now: datetime) -> None:
        receipts.send_bill(self.held, to=self.member, at=self.counter, now=now)

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        receipt = receipts.of_bill(self.held, now=timezone.now())
        return super().get_context_data(receipt=receipt, **context)


class CouponPage(ReceiptPage):
    template_name = "counter/coupon.html"
    deeds = {"undo": "undo", "send": "send"}

    def arrive(self) -> HttpResponseBase | None:
        if answer := super().arrive():
            return answer
        here = Coupon.objects.filter(
            pk=self.kwargs["pk"], taken__kind="USED", taken__store=self.counter.store
        )
        coupon = here.filter(member_id__in=rights.guests_of(self.member.pk)).distinct().first()
        if coupon is None:
            raise Http404
        self.coupon = coupon
        return None

    def undo(self, *, now: datetime) -> None:
        # A second tap finds it good again, and leaves it so.
        if self.coupon.state == CouponState.USED:
            benefits.undo_coupon(coupon_id=self.coupon.pk, at=now, who=self.counter.who)

    def send(self, *, now: datetime) -> None:
        if self.coupon.state != CouponState.USED:
            raise Http404
        receipts.send_coupon(self.coupon, to=self.member, at=self.counter, now=now)

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        receipt = receipts.of_coupon(self.coupon, now=timezone.now())
        return super().get_context_data(receipt=receipt, **context)
