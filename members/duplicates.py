"""Questions about pairs of members who may be one person (M10)."""

from django.db.models import QuerySet

from members.models import Duplicate, DuplicateState, MemberStatus


def waiting() -> QuerySet[Duplicate]:
    """Pairs nobody has judged, of members who are both still here; what says most comes first."""
    pairs = Duplicate.objects.filter(state=DuplicateState.OPEN)
    here = pairs.exclude(one__status=MemberStatus.CLOSED).exclude(other__status=MemberStatus.CLOSED)
    return here.select_related("one", "other")
