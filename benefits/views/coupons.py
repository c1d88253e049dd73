"""A member's coupons: to use, used, lapsed; one to show at the till; and claiming another."""

from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.timezone import localdate

from benefits import coupon_words as words
from benefits.coupons import codes
from benefits.forms.coupons import ClaimForm
from benefits.models.coupons import Coupon, CouponState
from benefits.operations import coupons as operations
from benefits.queries import coupons as queries
from common import qr
from common.errors import DomainError
from members import queries as members
from members.views import MemberPage

# Of what is over, the latest.
OVER_SHOWN = 20
PLACES_SHOWN = 5


class CouponsPage(MemberPage):
    """What a member can use, and had; and the form to claim one by its code."""

    template_name = "benefits/coupons.html"
    form: ClaimForm | None = None

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        day, found = localdate(), queries.of_member(self.member.pk)
        over = found.exclude(pk__in=queries.usable(found, day).values("pk")).order_by("-last_on")
        told = [_told(each) for each in over[:OVER_SHOWN]]
        return super().get_context_data(
            usable=[_told(each) for each in queries.usable(found, day)],
            used=[each for each in told if each["coupon"].state == CouponState.USED],
            over=[each for each in told if each["coupon"].state != CouponState.USED],
            today=day,
            form=self.form or ClaimForm(),
            **kwargs,
        )

    def post(self, *_args: Any, **_kwargs: Any) -> HttpResponse:
        """Claim a coupon."""
        form = ClaimForm(self.request.POST)
        if form.is_valid():
            try:
                coupon = operations.claim(
                    typed=form.cleaned_data["code"],
                    member=members.identity_of(self.member.pk),
                    at=timezone.now(),
                )
            except DomainError as refusal:
                form.add_error("code", refusal.sentence)
            else:
                return redirect("benefits:coupon", coupon_id=coupon.pk)
        self.form = form
        return self.render_to_response(self.get_context_data(), status=422)


class CouponPage(MemberPage):
    """One coupon, to show at the till."""

    template_name = "benefits/coupon.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        coupon = queries.of_member(self.member.pk).filter(pk=self.kwargs["coupon_id"]).first()
        if coupon is None:
            raise Http404
        batch = queries.definition(coupon.batch_id)
        is_usable = queries.usable(Coupon.objects.filter(pk=coupon.pk), localdate()).exists()
        names = queries.places(batch)
        return super().get_context_data(
            told=_told(coupon),
            conditions=[
                *words.conditions(batch, queries.currency()),
                words.stores(names[:PLACES_SHOWN], len(names[PLACES_SHOWN:])),
            ],
            is_usable=is_usable,
            is_begun=coupon.first_on <= localdate(),
            qr=qr.drawn(queries.token_of(coupon)) if is_usable else None,
            code=codes.shown(coupon.code),
            **kwargs,
        )


def _told(coupon: Coupon) -> dict[str, Any]:
    batch = queries.definition(coupon.batch_id)
    return {
        "coupon": coupon,
        "name": batch.name,
        "worth": words.worth(batch, queries.currency()),
        "days": words.days(coupon),
        "state": words.state(coupon, localdate()),
    }
