"""Who pays for points (P13)."""

from collections import Counter
from collections.abc import Sequence
from functools import partial

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from common.errors import Invalid
from partners.models import Organization, OrganizationKind
from points.models import Funding
from programme.policies import FundingShare

WHOLE = 10_000

Share = tuple[int, int, str]


class InvalidFunding(Invalid):
    code = "invalid_funding"
    message = _("The shares of those who pay must be positive and add up to 100 %%.")


# Rows never change, so their ids may be remembered as long as the process lives.
_ids: dict[tuple[Share, ...], int] = {}


def funding(shares: Sequence[Share]) -> int:
    """
    Return the id under which these payers and their shares are known.

    :param shares: organization, share of ten thousand, and the name of the purse or nothing
    :raises InvalidFunding: if they do not add up, or one is named twice
    """
    wanted = tuple(sorted(shares))
    if wanted in _ids:
        return _ids[wanted]
    purses = {(organization, budget) for organization, _share, budget in wanted}
    total = sum(share for _organization, share, _budget in wanted)
    is_positive = all(share > 0 for _organization, share, _budget in wanted)
    if total != WHOLE or not is_positive or len(purses) < len(wanted):
        raise InvalidFunding
    organizations, parts, budgets = (list(column) for column in zip(*wanted, strict=True))
    found = Funding.objects.filter(organizations=organizations, shares=parts, budgets=budgets)
    funding_id = found.values_list("pk", flat=True).first()
    if funding_id is None:
        Funding.objects.bulk_create(
            [Funding(organizations=organizations, shares=parts, budgets=budgets)],
            ignore_conflicts=True,
        )
        funding_id = found.values_list("pk", flat=True).get()
    # A row of a transaction that is rolled back must not be remembered.
    transaction.on_commit(partial(_ids.__setitem__, wanted, funding_id))
    return funding_id


def funding_by_policy(
    shares: tuple[FundingShare, ...], *, store_id: int | None, issuer_id: int
) -> int:
    """
    Return the funding of points earned in a store, by the rulebook's shares.

    The store's share is that of the organization it belongs to; without a store, of the issuer.

    :raises InvalidFunding: if an organization the rulebook names is not there
    """
    asked = (shares, store_id, issuer_id)
    if asked in _by_policy:
        return _by_policy[asked]
    together: Counter[tuple[int, str]] = Counter()
    for share in shares:
        payer = _payer(share.payer, store_id=store_id, issuer_id=issuer_id)
        together[payer, share.budget] += share.basis_points
    funding_id = funding([(payer, parts, budget) for (payer, budget), parts in together.items()])
    transaction.on_commit(partial(_by_policy.__setitem__, asked, funding_id))
    return funding_id


_by_policy: dict[tuple[tuple[FundingShare, ...], int | None, int], int] = {}


def _payer(payer: str, *, store_id: int | None, issuer_id: int) -> int:
    organizations = Organization.objects.values_list("pk", flat=True)
    if payer == FundingShare.STORE:
        found = organizations.filter(stores__pk=store_id).first() if store_id else issuer_id
    elif payer == FundingShare.BRAND:
        found = organizations.filter(kind=OrganizationKind.BRAND).first()
    else:
        found = organizations.filter(code=payer).first()
    if found is None:
        raise InvalidFunding
    return found


def forget_cached() -> None:
    """Read everything anew at the next question, in this process."""
    _ids.clear()
    _by_policy.clear()
