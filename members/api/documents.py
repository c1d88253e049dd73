"""What dealers' systems send and get about members. Personal data only goes out masked."""

from datetime import datetime
from typing import Any

from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from common.api.fields import (
    STORE_CODE,
    Day,
    Document,
    Flag,
    Moment,
    OneOf,
    Text,
    Values,
    Whole,
    member_number,
    store_code,
)
from common.api.rendering import Answer
from members import masking, phones
from members.models import (
    Application,
    ApplicationState,
    ConsentChannel,
    ConsentPurpose,
    Member,
    Sex,
)

PHONE = r"^\+?[0-9][0-9 ()-]{3,30}$"
EMAIL = (
    r"^[A-Za-z0-9._%+-]{1,64}@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z]{2,24}$"
)
CONSENTS_MAX = 20
TOLD_BY = [
    ConsentChannel.API.value, ConsentChannel.STORE.value, ConsentChannel.PAPER.value,
    ConsentChannel.PHONE.value,
]  # fmt: skip
IDENTIFIER = r"^[A-Za-z0-9][A-Za-z0-9-]{2,63}$"
# Any QR code of letters and digits: whether it is one of ours, `members.cards` says.
CARD = r"^[A-Za-z0-9]+$"
CARD_MAX = 200


class ProductInput(Document):
    identifier = Text(limit=64, pattern=IDENTIFIER, help_text="VIN or serial number.")
    name = Text(limit=200, required=False)
    purchased_on = Day(required=False)


class ConsentInput(Document):
    purpose = OneOf(
        ConsentPurpose.values,
        help_text="SHARING: with the partner named beside it.",
    )
    text_version = Whole(
        low=1, high=32_767, help_text="Which text the customer read: see the staff console."
    )
    partner = Text(
        limit=50,
        pattern=STORE_CODE,
        required=False,
        help_text="Code of the partner; for SHARING and for nothing else.",
    )


class WordInput(Document):
    """A member's yes or no."""

    extra_schema = {
        "anyOf": [{"properties": {"agreed": {"const": False}}}, {"required": ["text_version"]}]
    }

    purpose = OneOf(
        ConsentPurpose.values,
        help_text="SHARING: with the partner named beside it.",
    )
    agreed = Flag(help_text="False: the member takes it back.")
    text_version = Whole(
        low=1,
        high=32_767,
        required=False,
        help_text="Which text the member read. To agree it is needed, to take back it is not.",
    )
    partner = Text(
        limit=50,
        pattern=STORE_CODE,
        required=False,
        help_text="Code of the partner; for SHARING and for nothing else.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["agreed"] and "text_version" not in attrs:
            raise ValidationError({"text_version": [_("Say which text the member read.")]})
        return attrs


class ConsentsInput(Document):
    consents = serializers.ListField(
        child=WordInput(), min_length=1, max_length=CONSENTS_MAX, help_text="What the member said."
    )
    channel = OneOf(
        TOLD_BY,
        required=False,
        help_text="How the member said it: on your screen (API, unless you say), to staff, "
        "on paper, by phone.",
    )
    at = Moment(required=False, help_text="When the member said it; now, unless you say.")


class MemberInput(Document):
    phone = Text(limit=32, pattern=PHONE, help_text="Of mainland China unless it starts with +.")
    name = Text(limit=100)
    store = store_code(help_text="The store that enrolls.")
    activate = Flag(
        help_text=(
            "False: pre-registered, until the member proves the phone. True: a member at once, or "
            "an application where the programme wants to decide."
        )
    )
    email = Text(limit=254, pattern=EMAIL, required=False)
    sex = OneOf(Sex.values, required=False)
    birthday = Day(required=False)
    province = Text(limit=50, required=False)
    city = Text(limit=50, required=False)
    product = ProductInput(required=False)
    attributes = Values(
        required=False, help_text="What the brand asks besides, by code: see the staff console."
    )
    consents = serializers.ListField(
        child=ConsentInput(),
        required=False,
        max_length=CONSENTS_MAX,
        help_text="What the customer agreed to, in writing or on your screen.",
    )
    external_number = Text(
        limit=64, required=False, help_text="Your own number of this customer; makes a repeat safe."
    )


class MemberLookupInput(Document):
    """Exactly one of the four."""

    extra_schema = {"minProperties": 1, "maxProperties": 1}

    number = member_number(required=False)
    phone = Text(limit=32, pattern=PHONE, required=False)
    product = Text(limit=64, pattern=IDENTIFIER, required=False)
    card = Text(
        limit=CARD_MAX,
        pattern=CARD,
        required=False,
        help_text="What a scanner read from the member's phone.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) != 1:
            raise ValidationError(
                _("Give exactly one of number, phone, product and card."), "exactly_one"
            )
        return attrs


class ApplicationAnswer(Answer):
    application: str
    state: str
    applied_at: datetime
    decided_at: datetime | None
    # Why it was refused, and what the applicant is told.
    reason: str
    words: str
    # Whom an approval made.
    member: str | None


def application_answer(application: Application) -> ApplicationAnswer:
    made = application.state == ApplicationState.APPROVED
    return ApplicationAnswer(
        application=application.number,
        state=application.state,
        applied_at=localtime(application.applied_at),
        decided_at=application.decided_at and localtime(application.decided_at),
        reason=application.reason,
        words=application.words,
        member=application.member.number if made and application.member else None,
    )


class MemberAnswer(Answer):
    number: str
    status: str
    name: str
    phone: str
    joined_at: datetime
    activated_at: datetime | None


def member_answer(member: Member) -> MemberAnswer:
    return MemberAnswer(
        number=member.number,
        status=member.status,
        name=masking.name(member.name),
        phone=phones.masked(member.phone),
        joined_at=localtime(member.joined_at),
        activated_at=member.activated_at and localtime(member.activated_at),
    )
