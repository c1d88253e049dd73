"""Families and companies, through the real operations."""

from members import operations
from members.models import Group, GroupKind, Member
from tests.factories.members import JOINED
from tests.factories.programme import rulebook

EVERYBODY = ["owner", "admin", "member"]
FAMILIES = {"family": {"members": 6, "spenders": EVERYBODY}}
COMPANIES = {"company": {"members": 50}}


def offered() -> None:
    """A rulebook with families and companies, from the day after `plain`."""
    rulebook(groups=FAMILIES | COMPANIES, valid_from="1900-01-02")


def family(owner: Member, *others: Member, shares: bool = True, at=JOINED) -> Group:
    """A family that shares its points; the rulebook allows it."""
    offered()
    group = operations.found_group(kind=GroupKind.FAMILY, name="王家", owner_id=owner.pk, at=at)
    for other in others:
        let_in(group, owner, other, at=at)
    if shares:
        for each in (owner, *others):
            share(group, each, at=at)
    return group


def let_in(group: Group, owner: Member, whom: Member, *, at=JOINED) -> None:
    invitation = operations.invite_to_group(
        group_id=group.pk, by_member=owner.pk, whom=whom.number, at=at
    )
    operations.accept_invitation(invitation_id=invitation.pk, member_id=whom.pk, at=at)


def share(group: Group, whom: Member, *, monthly_points: int | None = None, at=JOINED) -> None:
    operations.share_points(
        group_id=group.pk, member_id=whom.pk, shares=True, monthly_points=monthly_points, at=at
    )
