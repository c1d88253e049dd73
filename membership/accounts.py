"""From a proven phone to a login, and from a session to who is logged in."""

from datetime import date, datetime
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Permission
from django.db import transaction
from django.db.models import Q

from campaigns import invitations
from common.models import User
from members import consents, masking, operations, queries
from members.models import Application, ConsentChannel, ConsentPurpose, ConsentText, Member
from membership import links, notices
from messaging import operations as messaging
from messaging.operations import ChallengeOver
from partners import queries as partners
from partners.models import Store


@transaction.atomic
def join(
    *, phone: str, name: str, birthday: date | None, at: datetime, store: str = ""
) -> User | None:
    """
    Make who has proven a phone an active member, and return the login; or note that they apply,
    where the programme wants that.

    Who became one meanwhile, in another window or at a store, is logged in as that member.

    :param store: the code of the store whose link they followed; what is none counts as none
    :returns: None, if their application waits
    :raises members.operations.BirthdayOutOfRange: if nobody living can have it
    :raises ChallengeOver: as `login_by_phone`
    """
    at_store = store_named(store)
    wish = operations.Wish(
        profile=operations.Profile(phone=phone, name=name, birthday=birthday),
        agreed=agreed_on_the_web(),
        store_id=at_store.pk if at_store else None,
    )
    try:
        with transaction.atomic():
            joined = operations.join(wish=wish, at=at)
    except operations.PhoneTaken:
        return login_by_phone(phone)
    return None if isinstance(joined, Application) else login_by_phone(phone)


def store_named(code: str) -> Store | None:
    """The store in business with this code, if there is one."""
    try:
        return partners.store_by_code(code) if code else None
    except partners.UnknownStore:
        return None


def terms() -> ConsentText | None:
    """What the tick on the form agrees to, to be read beside it; None if nothing is published."""
    return consents.texts().get(ConsentPurpose.SERVICE)


def agreed_on_the_web() -> operations.Agreed:
    """The tick on the form: to what the membership needs, as far as there is a text of it."""
    word = operations.Word(purpose=ConsentPurpose.SERVICE, is_given=True)
    words = [word] if terms() else []
    return operations.Agreed(words=words, channel=ConsentChannel.WEB)


def activate_invited(*, token: str, phone: str, at: datetime) -> User:
    """
    Make who came by an invitation and has proven the phone an active member, and return the login.

    :raises campaigns.invitations.InvitationOver: if the link is not good for the phone
    :raises ChallengeOver: as `login_by_phone`
    """
    with transaction.atomic():
        invitations.accept(token=token, phone=phone, at=at)
        return login_by_phone(phone)


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


def username_of(email: str) -> str:
    """
    What to look for among logins, whoever has the address: for nobody's, a name that nobody has.

    Neither tells the address: failed logins are kept by it (django-axes).
    """
    try:
        return queries.by_email(email).number
    except queries.UnknownMember:
        return f"email:{queries.email_index(email).hex()[:32]}"


@transaction.atomic
def confirm_email(said: links.Confirmation, *, at: datetime) -> None:
    """
    Let a member log in with an e-mail address whose link they opened, and tell them.

    :raises members.operations.EmailTaken: :raises members.operations.EmailChanged: if so
    :raises members.operations.WrongState: if the member is neither active nor frozen
    """
    member = operations.confirm_email(
        member_id=said.member_id, email=said.email, replacing=said.replacing, at=at
    )
    messaging.send(
        member_id=member.pk,
        template=notices.EMAIL_CONFIRMED,
        key=f"{notices.EMAIL_CONFIRMED}:{member.number}:{at.isoformat()}",
        variables={"email": masking.email(said.email)},
        at=at,
    )


@transaction.atomic
def set_password(*, member: Member, password: str, at: datetime) -> User:
    """
    Set what a member logs in with, and tell them.

    :raises members.operations.WrongState: if the member is neither active nor frozen
    """
    user = operations.set_password(member_id=member.pk, password=password)
    messaging.send(
        member_id=member.pk,
        template=notices.PASSWORD_SET,
        key=f"{notices.PASSWORD_SET}:{member.number}:{at.isoformat()}",
        variables={},
        at=at,
    )
    return user


class Backend(ModelBackend):
    """
    Django's, which brings along what pages ask for: member and standing, staff's factor and place.
    """

    def get_user(self, user_id: int) -> User | None:
        wanted = ("member__standing", "second_factor", "placement__store__organization")
        found = User.objects.select_related(*wanted)
        user = found.filter(pk=user_id).first()
        return user if user is not None and self.user_can_authenticate(user) else None

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """In one query: a login's own and those of its roles. Django asks for each apart."""
        if obj is not None or not user_obj.is_active or user_obj.is_anonymous:
            return set()
        if not hasattr(user_obj, "_perm_cache"):
            found = Permission.objects.all()
            if not user_obj.is_superuser:
                found = found.filter(Q(user=user_obj) | Q(group__user=user_obj))
            names = found.order_by().values_list("content_type__app_label", "codename")
            user_obj._perm_cache = {f"{room}.{name}" for room, name in names.distinct()}
        return set(user_obj._perm_cache)
