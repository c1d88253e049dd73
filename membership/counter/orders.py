"""Orders that wait here for the member who stands at the counter."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext

from benefits.operations import orders
from common.errors import DomainError
from membership.counter.pages import VisitPage


class HandOverOrder(VisitPage):
    """One tap hands an order over; a second changes nothing. What comes back is a return."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, visit: str, pk: int) -> HttpResponse:
        who = self.counter.who
        assert who.by is not None, "a clerk is logged in"
        try:
            order = orders.hand_over_to(
                order_id=pk,
                member_id=self.member.pk,
                store_id=self.counter.store.pk,
                at=timezone.now(),
                by=who.by,
            )
        except DomainError as refusal:
            return self.page(refusal.status, refused=str(refusal.sentence))
        told = {"order": order.number, "item": order.claim.listing.name}
        messages.success(request, gettext("Handed over: %(item)s (%(order)s)") % told)
        return redirect("counter:visit", visit)
