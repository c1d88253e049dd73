"""What can be done with tiers."""

from tiers.operations._by_hand import (
    CannotApply,
    EndsTooSoon,
    NotHigher,
    NothingByHand,
    NothingToExtend,
    NoTiers,
    ProposalDecided,
    SayWhy,
    UnknownLevel,
    UnknownProposal,
    apply,
    approve_proposal,
    end_manual,
    extend,
    reject_proposal,
    set_manual,
    start_by_products,
)
from tiers.operations._deciding import judged_anew_by_range
from tiers.operations._gathering import Measured, gathered, gathered_many
from tiers.operations._merging import follow_merge
from tiers.operations._night import Reviewed, leads, review, to_be_warned, warn

__all__ = [
    "CannotApply",
    "EndsTooSoon",
    "Measured",
    "NoTiers",
    "NotHigher",
    "NothingByHand",
    "NothingToExtend",
    "ProposalDecided",
    "Reviewed",
    "SayWhy",
    "UnknownLevel",
    "UnknownProposal",
    "apply",
    "approve_proposal",
    "end_manual",
    "extend",
    "follow_merge",
    "gathered",
    "gathered_many",
    "judged_anew_by_range",
    "leads",
    "reject_proposal",
    "review",
    "set_manual",
    "start_by_products",
    "to_be_warned",
    "warn",
]
