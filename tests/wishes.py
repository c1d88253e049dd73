"""A kind of request for tests, and rooms' manners in small: it performs, or it refuses."""

from common import approvals, audit
from common.errors import DomainError
from common.models import User
from tests.factories import staff
from tests.factories.points import NOON

KIND = "test.wish"
# Any permission that a login may have will do.
PERMISSION = "common.rerun_jobrun"


class OutOfReach(DomainError):
    code = "out_of_reach"
    message = "The moon is out of reach."


def grant(*, payload, requested_by, approved_by, approval_id, at):
    audit.record(
        action="wish.granted",
        target=payload["what"],
        by=approved_by,
        details={"asked_by": requested_by.pk, "approval": approval_id, "at": at},
    )
    if payload["what"] == "the moon":
        raise OutOfReach


def describe(payload):
    return [("愿望", payload["what"]), ("数量", payload.get("count", 1))]


def register():
    approvals.kind(name=KIND, title="愿望", permission=PERMISSION, perform=grant, describe=describe)


def wish(*, by: User | None = None, reference="W1", **fields):
    """A request that waits."""
    fields = {
        "kind": KIND,
        "payload": {"what": "cake", "count": 1200},
        "target": "M0000000018",
        "reason": "生日",
        "at": NOON,
    } | fields
    return approvals.request(by=by or staff(), reference=reference, **fields)
