"""
What can be done with points. Each is one call of a SQL function in `points/sql`.

Every posting a caller may repeat has a reference: the caller's own name for the fact, unique per
issuer (the organization whose document it is) and kind. A repeat answers with the first posting;
the same reference for something else is refused. The unique index decides, not a look beforehand.

Times are the caller's: `at` is when it happened for the member, which may be days ago.
"""

from points.operations._journal import (
    JudgedPurchase,
    JudgedReturn,
    PostedActivity,
    post_purchase,
    post_purchases,
    post_return,
)
from points.operations._ledger import (
    adjust,
    earn,
    expire,
    forfeit,
    lock,
    preview_adjustment,
    redeem,
)
from points.operations._posting import (
    POINTS_MAX,
    AlreadySpent,
    DatedInFuture,
    InsufficientPoints,
    InvalidNote,
    InvalidReference,
    LapsedAlready,
    PointsOutOfRange,
    Posting,
    ReferenceReused,
    Source,
    require_not_in_future,
    require_reference,
)

__all__ = [
    "POINTS_MAX",
    "AlreadySpent",
    "DatedInFuture",
    "InsufficientPoints",
    "InvalidNote",
    "InvalidReference",
    "JudgedPurchase",
    "JudgedReturn",
    "LapsedAlready",
    "PointsOutOfRange",
    "PostedActivity",
    "Posting",
    "ReferenceReused",
    "Source",
    "adjust",
    "earn",
    "expire",
    "forfeit",
    "lock",
    "post_purchase",
    "post_purchases",
    "post_return",
    "preview_adjustment",
    "redeem",
    "require_not_in_future",
    "require_reference",
]
