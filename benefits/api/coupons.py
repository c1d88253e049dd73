import base64
from datetime import timedelta
from typing import Any

from django.http import HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.timezone import localdate

from benefits.api.coupon_documents import (
    ConsumeInput,
    CouponAnswer,
    CouponReleaseInput,
    KeyAnswer,
    MemberCouponsAnswer,
    OfflineAnswer,
    OfflineInput,
    ReportedAnswer,
    ReserveInput,
    UndoCouponInput,
    VerifyInput,
    coupon_answer,
    lines_in,
    member_coupons_answer,
)
from benefits.coupons import tokens
from benefits.coupons.discounts import BelowMinimum, NotStackable
from benefits.operations import Who
from benefits.operations import coupons as operations
from benefits.queries import coupons as queries
from common.api.rendering import respond
from common.api.request import Request
from common.api.schema import describe, example
from common.api.views import ApiView
from common.errors import DomainError
from common.limits import TooMany
from common.personal import NamesSomebody
from members import queries as members
from members.queries import Identity, MemberClosed, MemberFrozen, MemberNotActivated, UnknownMember
from partners.api.authentication import Caller, caller
from partners.models import Scope
from partners.queries import UnknownStore

JUDGED: list[type[DomainError]] = [
    UnknownStore,
    UnknownMember,
    TooMany,
    operations.UnknownCoupon,
    operations.CouponUsed,
    operations.CouponReserved,
    operations.CouponRevoked,
    operations.CouponExpired,
    operations.CouponNotYet,
    operations.WrongStore,
    operations.AnotherMembersCoupon,
    operations.MemberLimitReached,
    operations.MemberNeeded,
    operations.NothingQualifies,
    BelowMinimum,
    NotStackable,
]
TAKEN = [*JUDGED, MemberFrozen, MemberClosed, MemberNotActivated]
EXAMPLE = {"code": "56GC-9FN0-XS3D-BZVX", "store": "SH-PD", "receipt": "R-1", "amount": "268.00"}


def _who(by: Caller, body: dict[str, Any]) -> Who:
    return Who(client_id=by.client_id, store_id=by.store_id(body["store"]))


def _member(body: dict[str, Any]) -> Identity | None:
    return members.identify(body["member"]) if "member" in body else None


class Verify(ApiView):
    scopes = {"POST": Scope.COUPONS_READ}
    # It changes nothing, and tomorrow it may be otherwise.
    keeps_answers = False

    @describe(
        summary="Verify a coupon",
        description=(
            "Whether it could be used now at this store, and what it would take off. Changes "
            "nothing; codes stay out of addresses, so it is a POST. Wrong codes are counted."
        ),
        body=VerifyInput,
        answers={200: CouponAnswer},
        refusals=JUDGED,
        examples=[example("For a bill of 268 yuan", EXAMPLE)],
        keeps_answers=keeps_answers,
    )
    def post(self, request: Request) -> HttpResponse:
        body, by = VerifyInput.read(request.data), caller(request)
        taken = operations.verify(
            code=body["code"],
            at=timezone.now(),
            who=_who(by, body),
            lines=lines_in(body),
            receipt=body.get("receipt", ""),
            member=_member(body),
        )
        return respond(coupon_answer(taken.coupon, taken.batch, by, taken.discount))


class Reserve(ApiView):
    scopes = {"POST": Scope.COUPONS_USE}

    @describe(
        summary="Reserve a coupon",
        description=(
            "Sets it aside for a receipt; nobody else can take it meanwhile. Again it moves the "
            "time. It needs no release: the time is over by itself."
        ),
        body=ReserveInput,
        answers={200: CouponAnswer},
        refusals=TAKEN,
        examples=[example("For ten minutes", EXAMPLE | {"minutes": 10})],
    )
    def post(self, request: Request) -> HttpResponse:
        body, by = ReserveInput.read(request.data), caller(request)
        minutes = body.get("minutes", operations.RESERVED_FOR / timedelta(minutes=1))
        taken = operations.reserve(
            code=body["code"],
            at=timezone.now(),
            who=_who(by, body),
            receipt=body["receipt"],
            lines=lines_in(body),
            member=_member(body),
            for_=timedelta(minutes=minutes),
        )
        return respond(coupon_answer(taken.coupon, taken.batch, by, taken.discount))


class Release(ApiView):
    scopes = {"POST": Scope.COUPONS_USE}

    @describe(
        summary="Release a reserved coupon",
        description=(
            "What is not reserved for this receipt stays as it is; of what another organization "
            "did with it nothing is told."
        ),
        body=CouponReleaseInput,
        answers={200: CouponAnswer},
        refusals=[UnknownStore, TooMany, operations.UnknownCoupon],
    )
    def post(self, request: Request) -> HttpResponse:
        body, by = CouponReleaseInput.read(request.data), caller(request)
        coupon = operations.release(
            code=body["code"],
            at=timezone.now(),
            who=_who(by, body),
            receipt=body["receipt"],
        )
        return respond(coupon_answer(coupon, queries.definition(coupon.batch_id), by))


class Consume(ApiView):
    scopes = {"POST": Scope.COUPONS_USE}

    @describe(
        summary="Use a coupon 核销",
        description=(
            "Uses it up for a receipt of a store. The same coupon and receipt again get the first "
            "answer with `200`. Several coupons of a receipt are sent one after the other, in the "
            "order in which they count."
        ),
        body=ConsumeInput,
        answers={201: CouponAnswer, 200: CouponAnswer},
        refusals=[*TAKEN, operations.BillNeeded, NamesSomebody],
        examples=[example("For a bill of 268 yuan", EXAMPLE)],
    )
    def post(self, request: Request) -> HttpResponse:
        body, by = ConsumeInput.read(request.data), caller(request)
        taken = operations.consume(
            code=body["code"],
            at=timezone.now(),
            who=_who(by, body),
            receipt=body["receipt"],
            lines=lines_in(body),
            member=_member(body),
            note=body.get("note", ""),
        )
        answer = coupon_answer(taken.coupon, taken.batch, by, taken.discount)
        return respond(answer, status=200 if taken.is_repeat else 201)


class UndoUse(ApiView):
    scopes = {"POST": Scope.COUPONS_USE}

    @describe(
        summary="Undo the use of a coupon",
        description="Makes it good again, within the minutes the programme allows, at its store.",
        body=UndoCouponInput,
        answers={200: CouponAnswer},
        refusals=[
            UnknownStore,
            TooMany,
            NamesSomebody,
            operations.UnknownCoupon,
            operations.NotUsed,
            operations.TooLateToUndoCoupon,
        ],
    )
    def post(self, request: Request) -> HttpResponse:
        body, by = UndoCouponInput.read(request.data), caller(request)
        coupon = operations.undo(
            code=body["code"],
            at=timezone.now(),
            who=_who(by, body),
            receipt=body["receipt"],
            note=body.get("note", ""),
        )
        return respond(coupon_answer(coupon, queries.definition(coupon.batch_id), by))


class Offline(ApiView):
    scopes = {"POST": Scope.COUPONS_USE}

    @describe(
        summary="Report coupons taken without a network",
        description=(
            "Each use is judged by itself, and a repeat gets the same outcome. One that should "
            "have been refused is a `conflict`, which your organization bears: mostly a coupon "
            "used elsewhere before. `refused` are those we never signed."
        ),
        body=OfflineInput,
        answers={200: OfflineAnswer},
        refusals=[UnknownStore],
    )
    def post(self, request: Request) -> HttpResponse:
        body = OfflineInput.read(request.data)
        by, at = caller(request), timezone.now()
        # Before any is written: a store that is not theirs is a mistake in all of it.
        places = [_who(by, use) for use in body["uses"]]
        outcomes: list[ReportedAnswer] = []
        for use, who in zip(body["uses"], places, strict=True):
            try:
                reported = operations.report_offline(
                    token=use["token"],
                    used_at=use["used_at"],
                    discount=use.get("discount"),
                    receipt=use["receipt"],
                    who=who,
                    at=at,
                )
            except DomainError as refusal:
                outcomes.append(ReportedAnswer(use["receipt"], "refused", refusal.code))
                continue
            conflict = reported.conflict
            outcome = "conflict" if conflict else "counted"
            outcomes.append(
                ReportedAnswer(use["receipt"], outcome, conflict.why if conflict else None)
            )
        return respond(OfflineAnswer(outcomes))


class Key(ApiView):
    scopes = {"GET": Scope.COUPONS_READ}

    @describe(
        summary="Read the key that checks coupons without a network",
        description="A till keeps it, and asks for it anew each day.",
        answers={200: KeyAnswer},
    )
    def get(self, request: Request) -> HttpResponse:
        key = base64.b64encode(tokens.public_key()).decode()
        return respond(KeyAnswer(tokens.key_id(), "Ed25519", key, tokens.PREFIX))


class OfMember(ApiView):
    scopes = {"GET": Scope.COUPONS_READ}

    @describe(
        summary="Read a member's coupons",
        description="Those that can be used at your stores, the first to lapse first.",
        answers={200: MemberCouponsAnswer},
        refusals=[UnknownMember],
    )
    def get(self, request: Request, number: str) -> HttpResponse:
        member = members.identify(number)
        found = queries.usable(queries.of_member(member.id), localdate())
        return respond(member_coupons_answer(member.number, list(found), caller(request)))


urlpatterns: list[URLPattern] = [
    path("coupons/verify/", Verify.as_view()),
    path("coupons/reserve/", Reserve.as_view()),
    path("coupons/release/", Release.as_view()),
    path("coupons/consume/", Consume.as_view()),
    path("coupons/undo/", UndoUse.as_view()),
    path("coupons/offline/", Offline.as_view()),
    path("coupons/key/", Key.as_view()),
    path("members/<str:number>/coupons/", OfMember.as_view()),
]
