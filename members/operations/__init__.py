"""What can be done with a membership."""

from members.operations._activating import WrongProduct, activate_by_product
from members.operations._consents import (
    Agreed,
    NeededForMembership,
    NotAPartner,
    PublishedMeanwhile,
    UnknownConsentText,
    Word,
    note_consents,
    publish_consent_text,
)
from members.operations._directory import ExternalNumberTaken, PhoneTaken
from members.operations._emails import EmailChanged, EmailTaken, confirm_email, set_password
from members.operations._enrolling import (
    Enrolled,
    Newcomer,
    Profile,
    enroll,
    enroll_many,
    enroll_once,
)
from members.operations._historic import Historic, enroll_historic
from members.operations._products import (
    NotOwned,
    OwnedElsewhere,
    OwnershipOutOfRange,
    ProductFacts,
    ProductTaken,
    add_product,
    end_ownership,
    hand_over,
)
from members.operations._profiles import (
    CORRECTABLE,
    BirthdayOutOfRange,
    PersonalData,
    login_for,
    reveal,
    update_profile,
)
from members.operations._states import WrongState, activate, close, freeze, unfreeze
from members.operations._tags import (
    InvalidTag,
    TooManyTags,
    read_tags,
    set_tags,
    tag_many,
)

__all__ = [
    "CORRECTABLE",
    "Agreed",
    "BirthdayOutOfRange",
    "EmailChanged",
    "EmailTaken",
    "Enrolled",
    "ExternalNumberTaken",
    "Historic",
    "InvalidTag",
    "NeededForMembership",
    "Newcomer",
    "NotAPartner",
    "NotOwned",
    "OwnedElsewhere",
    "OwnershipOutOfRange",
    "PersonalData",
    "PhoneTaken",
    "ProductFacts",
    "ProductTaken",
    "Profile",
    "PublishedMeanwhile",
    "TooManyTags",
    "UnknownConsentText",
    "Word",
    "WrongProduct",
    "WrongState",
    "activate",
    "activate_by_product",
    "add_product",
    "close",
    "confirm_email",
    "end_ownership",
    "enroll",
    "enroll_historic",
    "enroll_many",
    "enroll_once",
    "freeze",
    "hand_over",
    "login_for",
    "note_consents",
    "publish_consent_text",
    "read_tags",
    "reveal",
    "set_password",
    "set_tags",
    "tag_many",
    "unfreeze",
    "update_profile",
]
