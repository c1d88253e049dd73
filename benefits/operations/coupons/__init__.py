"""
What can be done with coupons. A coupon's row is locked; each step is written with the state it
leads to. What is refused changes nothing.
"""

from benefits.operations.coupons._batches import (
    KIND,
    BatchDraft,
    BatchExists,
    BatchNotDraft,
    BatchNotRunning,
    ClaimWordTaken,
    DraftChanged,
    InvalidBatch,
    UnknownBatch,
    ask_to_run,
    change_draft,
    draft,
    end,
    revoke_batch,
)
from benefits.operations.coupons._batches import register as _register_approval
from benefits.operations.coupons._issuing import (
    AlreadyClaimed,
    BatchExhausted,
    BatchOver,
    NotForMembers,
    ReferenceOfAnother,
    UnknownTag,
    claim,
    issue,
    issue_to_tag,
    revoke,
    revoke_all,
)
from benefits.operations.coupons._lists import (
    ListTooLong,
    MemberMissing,
    MemberTwice,
    NoMemberColumn,
    NothingToIssue,
    UnknownList,
    issue_to_list,
    read_list,
    refusal_told,
)
from benefits.operations.coupons._making import (
    AlreadyTaken,
    CodeKnown,
    CodeMissing,
    CodeTooLong,
    CodeTwice,
    Loaded,
    NoPool,
    NotGenerated,
    PoolTooLarge,
    load_pool,
    take_codes,
    work,
)
from benefits.operations.coupons._messages import register as _register_messages
from benefits.operations.coupons._night import lapse, remind
from benefits.operations.coupons._offline import FromTheFuture, Reported, report_offline
from benefits.operations.coupons._refusals import (
    AnotherMembersCoupon,
    BillNeeded,
    BillTooLong,
    CouponExpired,
    CouponNotYet,
    CouponReserved,
    CouponRevoked,
    CouponUsed,
    MemberLimitReached,
    MemberNeeded,
    NothingQualifies,
    NotUsed,
    ReceiptNeeded,
    TooLateToUndoCoupon,
    UnknownCoupon,
    WrongStore,
)
from benefits.operations.coupons._using import (
    RESERVED_FOR,
    RESERVED_FOR_MAX,
    Taken,
    consume,
    release,
    reserve,
    undo,
    verify,
)

# Why a use without a network is a conflict, in words, by the code of the refusal.
REASONS = {
    each.code: each.title
    for each in (CouponUsed, CouponReserved, CouponRevoked, CouponExpired, CouponNotYet, WrongStore)
}

__all__ = [
    "KIND",
    "REASONS",
    "RESERVED_FOR",
    "RESERVED_FOR_MAX",
    "AlreadyClaimed",
    "AlreadyTaken",
    "AnotherMembersCoupon",
    "BatchDraft",
    "BatchExhausted",
    "BatchExists",
    "BatchNotDraft",
    "BatchNotRunning",
    "BatchOver",
    "BillNeeded",
    "BillTooLong",
    "ClaimWordTaken",
    "CodeKnown",
    "CodeMissing",
    "CodeTooLong",
    "CodeTwice",
    "CouponExpired",
    "CouponNotYet",
    "CouponReserved",
    "CouponRevoked",
    "CouponUsed",
    "DraftChanged",
    "FromTheFuture",
    "InvalidBatch",
    "ListTooLong",
    "Loaded",
    "MemberLimitReached",
    "MemberMissing",
    "MemberNeeded",
    "MemberTwice",
    "NoMemberColumn",
    "NoPool",
    "NotForMembers",
    "NotGenerated",
    "NotUsed",
    "NothingQualifies",
    "NothingToIssue",
    "PoolTooLarge",
    "ReceiptNeeded",
    "ReferenceOfAnother",
    "Reported",
    "Taken",
    "TooLateToUndoCoupon",
    "UnknownBatch",
    "UnknownCoupon",
    "UnknownList",
    "UnknownTag",
    "WrongStore",
    "ask_to_run",
    "change_draft",
    "claim",
    "consume",
    "draft",
    "end",
    "issue",
    "issue_to_list",
    "issue_to_tag",
    "lapse",
    "load_pool",
    "read_list",
    "refusal_told",
    "register",
    "release",
    "remind",
    "report_offline",
    "reserve",
    "revoke",
    "revoke_all",
    "revoke_batch",
    "take_codes",
    "undo",
    "verify",
    "work",
]


def register() -> None:
    """Make known what a second person approves, and what is said to members."""
    _register_approval()
    _register_messages()
