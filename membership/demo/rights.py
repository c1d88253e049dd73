"""
What members of the story do with their rights: who comes to a store has something handed over,
some say how it was, and now and then it goes wrong and the club makes up for it.
"""

from random import Random

from django.db import transaction
from django.utils.timezone import localdate

from benefits import operations, queries
from benefits.models import Failure, Proof, Right, RightState, Step
from common.models import User
from members import cards
from members.queries import Identity
from membership.demo import story

# Of visits of members with rights; of what was handed over.
USED, FAILED, RATED = 0.6, 0.04, 0.45
MADE_UP_BY = 200
STARS = (5, 5, 5, 4, 4, 3, 2)
WORDS = {5: "服务很周到", 4: "不错", 3: "等得有点久", 2: "没有预想的好"}
FAILURES = (
    (Failure.LATE, "等候超过一小时"),
    (Failure.NOT_OFFERED, "门店当天无法提供"),
    (Failure.QUALITY, "会员反映没有做好"),
)


def use(*, visit: story.Visited, member: Identity, store_id: int, care: User) -> None:
    """Use one right on a visit, if there is one. Done again it changes nothing."""
    random = Random(f"right {visit.reference}")  # noqa: S311 - a story, not a secret
    is_used, fate = random.random() < USED, random.random()
    if not is_used:
        return
    right = _handed_over(visit, member, store_id)
    if right is None or right.state != RightState.DELIVERED:
        return
    if fate < FAILED:
        _make_up(right, *random.choice(FAILURES), visit=visit, store_id=store_id, care=care)
    elif fate < FAILED + RATED:
        stars = random.choice(STARS)
        operations.rate(
            right_id=right.pk,
            member_id=member.id,
            stars=stars,
            words=WORDS[stars] if random.random() < 0.5 else "",
            at=visit.at,
        )


def _handed_over(visit: story.Visited, member: Identity, store_id: int) -> Right | None:
    reference = f"demo:{visit.reference}"
    told = Step.objects.select_related("right").filter(reference=reference).first()
    if told is not None:
        return told.right
    good = queries.usable(queries.rights(member.id), localdate(visit.at)).first()
    if good is None:
        return None
    return operations.deliver(
        member=member,
        benefit=good.benefit,
        shown=operations.Shown(proof=Proof.CARD, card=cards.code(member.id, at=visit.at)),
        at=visit.at,
        who=operations.Who(store_id=store_id),
        reference=reference,
    )


@transaction.atomic
def _make_up(
    right: Right, why: Failure, note: str, *, visit: story.Visited, store_id: int, care: User
) -> None:
    who = operations.Who(by=care, store_id=store_id)
    operations.fail(right_id=right.pk, reason=why, note=note, at=visit.at, who=who)
    operations.compensate_by_points(
        right_id=right.pk, points_given=MADE_UP_BY, note=note, at=visit.at, who=who
    )
