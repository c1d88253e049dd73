"""
Links in e-mails, each good once and not for long.

To confirm an address: signed, the address sealed; what held when it was asked for is part of it, so
it is void once something else holds. To set a new password: Django's own token, which the password
and the address are part of.
"""

from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core import signing
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from common.fields import seal, unseal
from common.models import User
from members import queries as members

DAY = 86_400
_SALT = "membership.confirm_email"


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What a link to confirm an e-mail says."""

    member_id: int
    email: str
    replacing: bytes


def to_confirm(*, member_id: int, email: str) -> str:
    said = [member_id, seal(email, column=_SALT), members.email_key(member_id).hex()]
    token = signing.dumps(said, salt=_SALT)
    return settings.SITE_URL + reverse("confirm_email", args=[token])


def read_confirmation(token: str) -> Confirmation | None:
    """None if it is not ours or too old."""
    try:
        member_id, sealed, replacing = signing.loads(token, salt=_SALT, max_age=DAY)
    except signing.BadSignature:
        return None
    return Confirmation(member_id, unseal(sealed, column=_SALT), bytes.fromhex(replacing))


class ResetTokens(PasswordResetTokenGenerator):
    """Void too when the member logs in with another e-mail by then, or with none."""

    key_salt = "membership.links.ResetTokens"

    def _make_hash_value(self, user: User, timestamp: int) -> str:
        held = members.email_key(user.member.pk).hex() if hasattr(user, "member") else ""
        return f"{super()._make_hash_value(user, timestamp)}{held}{user.is_active}"


reset_tokens = ResetTokens()


def to_reset(user: User) -> str:
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    return settings.SITE_URL + reverse("reset_password", args=[uid, reset_tokens.make_token(user)])
