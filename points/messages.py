"""What the ledger says to members."""

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from messaging import templates
from messaging.models import Purpose
from messaging.templates import Kind
from points.models import AdjustmentReason, EntryKind, PointType

EXPIRING = "points.expiring"

RECEIVED = "points.received"
WAITING = "points.waiting"
OWED = "points.owed"
GOODWILL = "points.goodwill"
CORRECTED_UP = "points.corrected_up"
CORRECTED_DOWN = "points.corrected_down"
SHARED_BACK = "points.shared_back"
EXTENDED = "points.extended"

# By which template an entry is told; what `points.changes` does not tell otherwise.
OF_KIND: Mapping[EntryKind, str] = {
    EntryKind.EARN: RECEIVED,
    EntryKind.VEST: "points.vested",
    EntryKind.REDEEM: "points.redeemed",
    EntryKind.HOLD: "points.set_aside",
    EntryKind.RELEASE: "points.released",
    EntryKind.REVERSE: "points.taken_back",
    EntryKind.REINSTATE: "points.given_back",
    EntryKind.ADJUST: CORRECTED_DOWN,
    EntryKind.EXPIRE: "points.expired",
    EntryKind.FORFEIT: "points.forfeited",
    EntryKind.TRANSFER_OUT: "points.sent",
    EntryKind.TRANSFER_IN: "points.transferred",
    EntryKind.POOL_OUT: "points.shared",
    EntryKind.POOL_IN: "points.shared_by_others",
    EntryKind.POOL_BACK: "points.shared_home",
    EntryKind.MERGE_OUT: "points.moved_away",
    EntryKind.MERGE_IN: "points.moved_here",
    EntryKind.EXTEND: EXTENDED,
}

POINTS, BALANCE = {"points": templates.NUMBER}, {"balance": templates.NUMBER}
# The end of the other's member number.
OTHER = {"other": templates.TEXT}
# Codes are kept: each reader gets their words in a language of their own.
TYPE = {"type": Kind(keep=str, show=lambda code: _label(PointType, code), sample="CONSUMPTION")}
REASON = {
    "reason": Kind(keep=str, show=lambda code: _label(AdjustmentReason, code), sample="MISSED")
}

# What each says, beside the subject and the text: which variables it has.
VARIABLES: dict[str, Mapping[str, Kind]] = {}


def _label(choices: type[PointType | AdjustmentReason], code: str) -> str:
    return str(dict(choices.choices).get(code, code))


def register() -> None:
    templates.register(
        EXPIRING,
        subject=_("Points that lapse after %(last_day)s: %(points)s"),
        body=_(
            "%(points)s of your points can be used until %(last_day)s, that day included. After it "
            "they are gone."
        ),
        variables={"points": templates.NUMBER, "last_day": templates.DAY},
    )
    _credits()
    _debits()
    _moves()


def _credits() -> None:
    _tell(
        RECEIVED,
        Purpose.CREDIT,
        _("Points received: %(points)s"),
        _("%(type)s: %(points)s. Balance after that: %(balance)s points."),
        TYPE | POINTS | BALANCE,
    )
    _tell(
        WAITING,
        Purpose.CREDIT,
        _("Points on their way: %(points)s"),
        _("%(type)s: %(points)s. They cannot be spent yet; we tell you when they can."),
        TYPE | POINTS,
    )
    _tell(
        OF_KIND[EntryKind.VEST],
        Purpose.CREDIT,
        _("Points you can spend now: %(points)s"),
        _("%(points)s points have waited long enough. Balance after that: %(balance)s points."),
        POINTS | BALANCE,
    )
    _tell(
        OF_KIND[EntryKind.HOLD],
        Purpose.CREDIT,
        _("Points set aside: %(points)s"),
        _(
            "A till has set %(points)s of your points aside; what is not spent comes back. Balance "
            "after that: %(balance)s points."
        ),
        POINTS | BALANCE,
    )
    _tell(
        OF_KIND[EntryKind.RELEASE],
        Purpose.CREDIT,
        _("Points that came back: %(points)s"),
        _(
            "%(points)s points that had been set aside were not spent. Balance after that: "
            "%(balance)s points."
        ),
        POINTS | BALANCE,
    )
    _tell(
        OF_KIND[EntryKind.REINSTATE],
        Purpose.CREDIT,
        _("Points given back: %(points)s"),
        _("A redemption was cancelled. Balance after that: %(balance)s points."),
        POINTS | BALANCE,
    )
    _tell(
        GOODWILL,
        Purpose.CREDIT,
        _("Points given back as goodwill: %(points)s"),
        _("They had expired or ended before. Balance after that: %(balance)s points."),
        POINTS | BALANCE,
    )
    _tell(
        CORRECTED_UP,
        Purpose.CREDIT,
        _("Points added by our staff: %(points)s"),
        _("Why: %(reason)s. Balance after that: %(balance)s points."),
        POINTS | REASON | BALANCE,
    )
    _tell(
        OF_KIND[EntryKind.TRANSFER_IN],
        Purpose.CREDIT,
        _("Points given to you: %(points)s"),
        _("From the member …%(other)s. Balance after that: %(balance)s points."),
        POINTS | OTHER | BALANCE,
    )
    _tell(
        EXTENDED,
        Purpose.CREDIT,
        _("Your points have a new last day"),
        _("The statement shows which points can be used until when."),
        {},
    )


def _debits() -> None:
    _tell(
        OF_KIND[EntryKind.REDEEM],
        Purpose.DEBIT,
        _("Points spent: %(points)s"),
        _("Balance after that: %(balance)s points. If it was not you, tell us at once."),
        POINTS | BALANCE,
    )
    _tell(
        OF_KIND[EntryKind.REVERSE],
        Purpose.DEBIT,
        _("Points taken back: %(points)s"),
        _("A purchase was returned. Balance after that: %(balance)s points."),
        POINTS | BALANCE,
    )
    _tell(
        OWED,
        Purpose.DEBIT,
        _("Points taken back: %(points)s"),
        _(
            "A purchase was returned whose points had been spent: the balance is %(debt)s points "
            "below zero. The next points make up for it first."
        ),
        POINTS | {"debt": templates.NUMBER},
    )
    _tell(
        CORRECTED_DOWN,
        Purpose.DEBIT,
        _("Points taken off by our staff: %(points)s"),
        _("Why: %(reason)s. Balance after that: %(balance)s points."),
        POINTS | REASON | BALANCE,
    )
    _tell(
        OF_KIND[EntryKind.EXPIRE],
        Purpose.DEBIT,
        _("Points expired: %(points)s"),
        _("Their last day is over. Balance after that: %(balance)s points."),
        POINTS | BALANCE,
    )
    _tell(
        OF_KIND[EntryKind.FORFEIT],
        Purpose.DEBIT,
        _("Points ended with the membership: %(points)s"),
        _("Your membership has ended, and the points that were left ended with it."),
        POINTS,
        to_ended=True,
    )
    _tell(
        OF_KIND[EntryKind.TRANSFER_OUT],
        Purpose.DEBIT,
        _("Points sent: %(points)s"),
        _(
            "To the member …%(other)s. Balance after that: %(balance)s points. If it was not you, "
            "tell us at once."
        ),
        POINTS | OTHER | BALANCE,
    )


def _moves() -> None:
    _tell(
        OF_KIND[EntryKind.POOL_OUT],
        Purpose.DEBIT,
        _("Points spent by your family or company: %(points)s"),
        _("Spent by the member …%(other)s. Balance after that: %(balance)s points."),
        POINTS | OTHER | BALANCE,
    )
    _tell(
        OF_KIND[EntryKind.POOL_IN],
        Purpose.CREDIT,
        _("Points of your family or company that you spent: %(points)s"),
        _("From the member …%(other)s, who shares them with you."),
        POINTS | OTHER,
    )
    _tell(
        SHARED_BACK,
        Purpose.CREDIT,
        _("Shared points that came back: %(points)s"),
        _("From the member …%(other)s. Balance after that: %(balance)s points."),
        POINTS | OTHER | BALANCE,
    )
    _tell(
        OF_KIND[EntryKind.POOL_BACK],
        Purpose.CREDIT,
        _("Shared points that went home: %(points)s"),
        _("To the member …%(other)s. Balance after that: %(balance)s points."),
        POINTS | OTHER | BALANCE,
    )
    _tell(
        OF_KIND[EntryKind.MERGE_OUT],
        Purpose.ACCOUNT,
        _("Points moved to another account: %(points)s"),
        _("To that of the member …%(other)s, which was joined with this one or parted from it."),
        POINTS | OTHER,
    )
    _tell(
        OF_KIND[EntryKind.MERGE_IN],
        Purpose.ACCOUNT,
        _("Points moved from another account: %(points)s"),
        _(
            "From that of the member …%(other)s, which was joined with this one or parted from it. "
            "Balance after that: %(balance)s points."
        ),
        POINTS | OTHER | BALANCE,
    )


def _tell(
    name: str,
    purpose: Purpose,
    subject: Promise | str,
    body: Promise | str,
    variables: Mapping[str, Kind],
    *,
    to_ended: bool = False,
) -> None:
    VARIABLES[name] = variables
    templates.register(
        name,
        subject=subject,
        body=body,
        variables=variables,
        purpose=purpose,
        to_ended=to_ended,
    )
