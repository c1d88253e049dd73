"""From a proven phone to a login."""

from common.models import User
from members import operations, queries
from messaging.operations import ChallengeOver


def login_by_phone(phone: str) -> User:
    """
    Return the login of the member who has a proven phone.

    :raises ChallengeOver: if nobody has it any more, or the login was blocked meanwhile
    """
    try:
        member = queries.by_phone(phone)
    except queries.UnknownMember as error:
        raise ChallengeOver from error
    user = operations.login_for(member_id=member.pk)
    if not user.is_active:
        raise ChallengeOver
    return user
