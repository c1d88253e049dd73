"""The platform's operations as `benchmarks.callers` calls them."""

import random
from dataclasses import replace
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from benchmarks.callers import Call
from benchmarks.options import REDEMPTION_POINTS
from benchmarks.scripts import GRANTS, judged_purchase
from members.numbers import member_number
from members.queries import Identity
from partners.queries import main_store
from points import operations as points
from points.models import Account, Entry


def calls() -> dict[str, Call]:
    store = main_store()
    assert store is not None, "a migration makes it"
    sample = judged_purchase(store)
    everybody = Account.objects.latest("pk").pk

    def earn(member: int, reference: str, chance: random.Random) -> object:
        return points.earn(
            member=_identity(member),
            points=chance.randint(1, 100),
            at=timezone.now(),
            expires_on=sample.expires_on,
            reference=reference,
            source=sample.source,
        )

    def redeem(member: int, reference: str, chance: random.Random) -> object:
        try:
            return points.redeem(
                member=_identity(member),
                points=chance.randint(*REDEMPTION_POINTS),
                at=timezone.now(),
                reference=reference,
                source=sample.source,
            )
        except points.InsufficientPoints:
            return None

    def post_purchase(member: int, reference: str, _chance: random.Random) -> object:
        return points.post_purchase(
            purchase=replace(
                sample, member=_identity(member), reference=reference, at=timezone.now()
            )
        )

    def hold_and_confirm(member: int, reference: str, chance: random.Random) -> object:
        now = timezone.now()
        amount = chance.randint(*REDEMPTION_POINTS)
        try:
            held = points.hold(
                member=_identity(member),
                points=amount,
                at=now,
                until=now + timedelta(minutes=15),
                reference=reference,
                source=sample.source,
            )
        except points.InsufficientPoints:
            return None
        # As with the member of an earn, finding the entry is the door's part.
        entry = Entry(
            member_id=member,
            seq=held.seq,
            points=-amount,
            reference=reference,
            effective_at=now,
        )
        return points.confirm(held=entry, at=timezone.now(), source=sample.source)

    def grant(_member: int, reference: str, chance: random.Random) -> object:
        now = timezone.now()
        members = chance.sample(range(1, everybody + 1), GRANTS)
        grants = [
            points.Grant(
                member=_identity(member),
                points=chance.randint(1, 100),
                reference=f"{reference}-{nth}",
                at=now,
                expires_on=sample.expires_on,
            )
            for nth, member in enumerate(members)
        ]
        with transaction.atomic():
            return points.grant(grants=grants, source=sample.source)

    return {
        "earn": earn,
        "redeem": redeem,
        "purchase": post_purchase,
        "hold and confirm": hold_and_confirm,
        "grant": grant,
    }


def _identity(member: int) -> Identity:
    return Identity(member, member_number(member), "ACTIVE")
