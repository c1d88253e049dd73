"""
Whose rows a login of staff, or a dealer's system, may see and act on: everybody's, or those of its
own dealer (M12).

A member is a dealer's who was enrolled at one of its stores, or owns a product that it sold. An
application is the dealer's at whose store it was made. A login with a role of dealers that nobody
has placed sees nobody.
"""

from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from common.errors import DomainError
from common.models import User
from members.groups import UnknownGroup
from members.models import Application, GroupMember, GroupRole, Member, Product
from partners.models import Placement, Store

LIMITED = "members.limited_to_dealer"


class NotYourMember(DomainError):
    code = "not_your_member"
    message = _("This is another dealer's member: only their own dealer or the brand can do this.")
    status = 403


@dataclass(frozen=True, slots=True)
class Reach:
    """
    :ivar organization_id: the dealer whose members and applications are all there are; None: none
    """

    is_limited: bool
    organization_id: int | None = None

    def members(self) -> QuerySet[Member]:
        if not self.is_limited:
            return Member.objects.all()
        sold = Product.objects.filter(
            selling_organization=self.organization_id, owned_until=None
        ).exclude(selling_organization=None)
        return Member.objects.filter(
            Q(enrolling_store__in=self._stores()) | Q(pk__in=sold.values("member"))
        )

    def require(self, member_id: int) -> None:
        """:raises NotYourMember: unless it reaches so far"""
        if self.is_limited and not self.members().filter(pk=member_id).exists():
            raise NotYourMember

    def require_group(self, group_id: int) -> None:
        """:raises UnknownGroup: unless it reaches the owner: whoever else is in it"""
        owner = GroupMember.objects.filter(group=group_id, role=GroupRole.OWNER, left_at=None)
        if self.is_limited and not owner.filter(member__in=self.members()).exists():
            raise UnknownGroup

    def applications(self) -> QuerySet[Application]:
        if not self.is_limited:
            return Application.objects.all()
        return Application.objects.filter(store__in=self._stores())

    def _stores(self) -> QuerySet[Store]:
        # No dealer has no stores; NULL equals nothing.
        return Store.objects.filter(organization=self.organization_id, organization__isnull=False)


ALL = Reach(is_limited=False)


def of_organization(organization_id: int, *, is_brand: bool) -> Reach:
    """How far the systems of an organization reach."""
    return ALL if is_brand else Reach(is_limited=True, organization_id=organization_id)


def of(user: User | AnonymousUser) -> Reach:
    """Asks the database nothing, if the login was read with its placement."""
    if not isinstance(user, User) or user.is_superuser:
        return ALL
    try:
        organization_id = user.placement.organization_id
    except Placement.DoesNotExist:
        organization_id = None
    if organization_id is None and not user.has_perm(LIMITED):
        return ALL
    return Reach(is_limited=True, organization_id=organization_id)
