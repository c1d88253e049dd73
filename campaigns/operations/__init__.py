"""How a member is rewarded: purchases and their returns become points."""

from campaigns.operations._discounts import Discounted
from campaigns.operations._documents import (
    AMOUNT_MAX,
    LINES_MAX,
    DuplicateLine,
    InvalidAmount,
    InvalidChannel,
    InvalidLines,
    LinesDoNotAddUp,
    Purchase,
)
from campaigns.operations._evaluations import (
    EVALUATION_MAX,
    CampaignNotOver,
    EvaluationMissing,
    UnknownCampaign,
    evaluate,
)
from campaigns.operations._many import judged_many, post_many
from campaigns.operations._purchases import (
    Accrual,
    Quote,
    accrue,
    post_purchase,
    quote,
    vest,
)
from campaigns.operations._returns import (
    Return,
    ReturnBeforePurchase,
    ReturnExceedsPurchase,
    UnknownPurchase,
    find_purchase,
    post_return,
)

__all__ = [
    "AMOUNT_MAX",
    "EVALUATION_MAX",
    "LINES_MAX",
    "Accrual",
    "CampaignNotOver",
    "Discounted",
    "DuplicateLine",
    "EvaluationMissing",
    "InvalidAmount",
    "InvalidChannel",
    "InvalidLines",
    "LinesDoNotAddUp",
    "Purchase",
    "Quote",
    "Return",
    "ReturnBeforePurchase",
    "ReturnExceedsPurchase",
    "UnknownCampaign",
    "UnknownPurchase",
    "accrue",
    "evaluate",
    "find_purchase",
    "judged_many",
    "post_many",
    "post_purchase",
    "post_return",
    "quote",
    "vest",
]
