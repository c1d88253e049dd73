"""
What can be done with rights. Their rows are locked by id; each step is written with the state it
leads to, so that the record and the state cannot differ.
"""

from benefits.operations._failing import (
    CompensationTooLarge,
    DaysOutOfRange,
    PointsOutOfRange,
    compensate_by_points,
    compensate_by_right,
    fail,
)
from benefits.operations._granting import (
    begin,
    begins_on,
    end_all,
    follow_merge,
    grant,
    grant_by_range,
    lapse,
    lose_tier,
    win_tier,
)
from benefits.operations._steps import NOBODY, Who
from benefits.operations._using import (
    AnotherMembersCode,
    BookedInThePast,
    NotAPicture,
    NotAProof,
    NotCounted,
    NothingLeft,
    NotStars,
    Shown,
    TooLateToUndo,
    UnknownBenefit,
    UnknownRight,
    WordsTooLong,
    WrongRightState,
    book,
    deliver,
    look_at_pictures,
    rate,
    undo,
)
from benefits.operations._warning import WARN_DAYS, last_day_told_on, warn_of_lapse
from benefits.operations.coupons import (
    consume as consume_coupon,
)
from benefits.operations.coupons import (
    undo as undo_coupon,
)
from benefits.operations.coupons import (
    verify as verify_coupon,
)

__all__ = [
    "NOBODY",
    "WARN_DAYS",
    "AnotherMembersCode",
    "BookedInThePast",
    "CompensationTooLarge",
    "DaysOutOfRange",
    "NotAPicture",
    "NotAProof",
    "NotCounted",
    "NotStars",
    "NothingLeft",
    "PointsOutOfRange",
    "Shown",
    "TooLateToUndo",
    "UnknownBenefit",
    "UnknownRight",
    "Who",
    "WordsTooLong",
    "WrongRightState",
    "begin",
    "begins_on",
    "book",
    "compensate_by_points",
    "compensate_by_right",
    "consume_coupon",
    "deliver",
    "end_all",
    "fail",
    "follow_merge",
    "grant",
    "grant_by_range",
    "lapse",
    "last_day_told_on",
    "look_at_pictures",
    "lose_tier",
    "rate",
    "undo",
    "undo_coupon",
    "verify_coupon",
    "warn_of_lapse",
    "win_tier",
]
