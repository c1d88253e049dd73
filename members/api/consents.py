"""What members agree to, as dealers' systems note it and ask for it (M12)."""

from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from django.utils.timezone import localtime

from common.api.rendering import Answer, respond
from common.api.request import Request
from common.api.schema import describe, example
from common.api.views import ApiView
from members import consents, operations, queries, reach
from members.api.documents import ConsentsInput
from members.models import ConsentChannel, ConsentPurpose
from members.queries import Identity, MemberClosed, UnknownMember
from partners import queries as partners
from partners.api.authentication import caller
from partners.models import Scope


class ConsentAnswer(Answer):
    purpose: str
    # Of SHARING: the partner's code.
    partner: str | None
    agreed: bool
    text_version: int
    channel: str
    at: datetime


class ConsentsAnswer(Answer):
    results: list[ConsentAnswer]


class MemberConsents(ApiView):
    scopes = {"GET": Scope.MEMBERS_READ, "POST": Scope.MEMBERS_WRITE}

    @describe(
        summary="Read what a member agrees to",
        description=(
            "The latest word on each purpose, and on each partner; what is not there, the member "
            "was never asked or never agreed to. Of your own members only."
        ),
        answers={200: ConsentsAnswer},
        refusals=[UnknownMember, reach.NotYourMember],
    )
    def get(self, request: Request, number: str) -> HttpResponse:
        return respond(_standing(_own(request, number)))

    @describe(
        summary="Note what a member agrees to or takes back",
        description=(
            "Answers with what holds now: 201, or 200 if nothing was new. A later word of the "
            "member, by whatever way, holds against an earlier one. Of your own members only."
        ),
        body=ConsentsInput,
        answers={201: ConsentsAnswer, 200: (ConsentsAnswer, "Known before.")},
        refusals=[
            UnknownMember,
            reach.NotYourMember,
            MemberClosed,
            operations.UnknownConsentText,
            operations.NotAPartner,
            operations.NeededForMembership,
            operations.SaidInFuture,
            partners.UnknownPartner,
        ],
        examples=[
            example(
                "Agreed on paper",
                {
                    "consents": [{"purpose": "MARKETING", "agreed": True, "text_version": 1}],
                    "channel": "PAPER",
                },
            ),
            example("Taken back", {"consents": [{"purpose": "MARKETING", "agreed": False}]}),
        ],
    )
    def post(self, request: Request, number: str) -> HttpResponse:
        body = ConsentsInput.read(request.data)
        member = _own(request, number)
        now = timezone.now()
        noted = operations.note_told_consents(
            member_id=member.id,
            words=[word(told) for told in body["consents"]],
            said_at=body.get("at", now),
            now=now,
            channel=ConsentChannel(body.get("channel", ConsentChannel.API)),
            client_id=caller(request).client_id,
        )
        return respond(_standing(member), status=201 if noted else 200)


class ConsentTextAnswer(Answer):
    """`texts`: by language."""

    purpose: str
    version: int
    texts: dict[str, str]
    published_at: datetime


class ConsentTextsAnswer(Answer):
    results: list[ConsentTextAnswer]


class ConsentTexts(ApiView):
    scopes = {"GET": Scope.MEMBERS_READ}

    @describe(
        summary="Read what members agree to",
        description=(
            "The text of each purpose that holds now, in all languages: show it, and say its "
            "`version` with the consent."
        ),
        answers={200: ConsentTextsAnswer},
    )
    def get(self, request: Request) -> HttpResponse:
        latest = consents.texts()
        return respond(
            ConsentTextsAnswer(
                results=[
                    ConsentTextAnswer(
                        purpose=purpose,
                        version=latest[purpose].version,
                        texts=latest[purpose].texts,
                        published_at=localtime(latest[purpose].published_at),
                    )
                    for purpose in ConsentPurpose
                    if purpose in latest
                ]
            )
        )


def word(told: dict[str, Any]) -> operations.Word:
    """A member's yes or no as it was sent; who joins says yes."""
    partner = told.get("partner")
    return operations.Word(
        purpose=ConsentPurpose(told["purpose"]),
        is_given=told.get("agreed", True),
        text_version=told.get("text_version"),
        partner_id=partners.partner_id(partner) if partner else None,
    )


def _own(request: Request, number: str) -> Identity:
    by = caller(request)
    member = queries.identify(number)
    reach.of_organization(by.organization_id, is_brand=by.is_brand).require(member.id)
    return member


def _standing(member: Identity) -> ConsentsAnswer:
    return ConsentsAnswer(
        results=[
            ConsentAnswer(
                purpose=word.purpose,
                partner=word.partner.code if word.partner else None,
                agreed=word.is_given,
                text_version=word.text.version,
                channel=word.channel,
                at=localtime(word.at),
            )
            for word in consents.standing(member.id)
        ]
    )
