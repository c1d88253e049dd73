"""What each kind of entry was and why it has these points: the sentences."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

from django.utils.timezone import localdate
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from members import masking
from messaging.models import Channel
from points import queries
from points.models import ActivityKind, Entry, EntryKind
from points.statements import _activities, _purchases
from points.statements._around import Around
from points.statements._days import credits_of, day, listed, moment, taken
from programme.policies import NEVER


@dataclass(frozen=True, slots=True)
class Reader:
    """Whom it is told: other members stand masked before members, in full before staff."""

    currency: str = "CNY"
    is_staff: bool = False


def sentences(entry: Entry, around: Around, reader: Reader) -> Iterator[str]:
    yield from _KINDS[EntryKind(entry.kind)](Telling(entry, around, reader))
    if entry.points < 0 and entry.balance_after < 0:
        yield _("The balance is below zero; the next points make up for it first.")


@dataclass(frozen=True, slots=True)
class Telling:
    """One entry, to one reader. Each method tells what a kind has to say."""

    entry: Entry
    around: Around
    reader: Reader

    def earned(self) -> Iterator[str]:
        activity = self.entry.activity
        if activity and activity.kind == ActivityKind.ACTIVITY:
            yield from _activities.done(activity)
        elif activity:
            yield from _purchases.purchase(activity, self.reader.currency)
        if self.entry.note:
            yield self.entry.note
        yield from self._waited()

    def _waited(self) -> Iterator[str]:
        """When what waits, or has waited, could be spent; by event, line for line."""
        by_day: dict[date, int] = {}
        by_event: list[tuple[str, int]] = []
        for each in self.around.waiting(self.entry):
            if each.vests_on:
                by_day[each.vests_on] = by_day.get(each.vests_on, 0) + each.points
            else:
                by_event.append((each.line, each.points))
        for vested in self.around.ended(self.entry, EntryKind.VEST):
            yield ngettext(
                "%(points)s point waited until %(day)s.",
                "%(points)s points waited until %(day)s.",
                vested.points,
            ) % {"points": f"{vested.points:,}", "day": day(localdate(vested.effective_at))}
        for vests_on, points in by_day.items():
            yield ngettext(
                "%(points)s point can be spent from %(day)s.",
                "%(points)s points can be spent from %(day)s.",
                points,
            ) % {"points": f"{points:,}", "day": day(vests_on)}
        for line, points in by_event:
            told = {"points": f"{points:,}", "line": line}
            if line:
                yield (
                    ngettext(
                        "%(points)s point waits until line %(line)s is confirmed.",
                        "%(points)s points wait until line %(line)s is confirmed.",
                        points,
                    )
                    % told
                )
            else:
                yield (
                    ngettext(
                        "%(points)s point waits until the service is confirmed.",
                        "%(points)s points wait until the service is confirmed.",
                        points,
                    )
                    % told
                )

    def vested(self) -> Iterator[str]:
        if (earned := self.around.origin(self.entry)) is None:
            return
        told = {
            "line": self.entry.line,
            "document": earned.reference,
            "day": day(localdate(earned.effective_at)),
        }
        if earned.activity_id is None:
            yield _("The points of %(day)s have waited long enough.") % told
        elif self.entry.line:
            yield _("For line %(line)s of purchase %(document)s of %(day)s.") % told
        else:
            yield _("For purchase %(document)s of %(day)s.") % told

    def redeemed(self) -> Iterator[str]:
        if self.entry.note:
            yield self.entry.note
        if self.entry.reverses is not None and (hold := self.around.origin(self.entry)):
            spent, held = -self.entry.held, -hold.points
            told = {"at": moment(hold.effective_at), "points": f"{held:,}", "spent": f"{spent:,}"}
            if spent == held:
                yield (
                    ngettext(
                        "The %(points)s point set aside on %(at)s was spent.",
                        "The %(points)s points set aside on %(at)s were spent.",
                        held,
                    )
                    % told
                )
            else:
                yield (
                    _("Of the %(points)s points set aside on %(at)s, %(spent)s were spent.") % told
                )
        yield from self._paid_by_others()
        yield from self._taken_from()

    def _paid_by_others(self) -> Iterator[str]:
        if self.entry.group_id is not None:
            yield _("What was missing came from those who share their points with this member.")

    def _taken_from(self) -> Iterator[str]:
        if days := credits_of(taken(self.entry), self.entry, self.around):
            yield _("Taken from the points of %(days)s.") % {"days": days}

    def held(self) -> Iterator[str]:
        if self.entry.note:
            yield self.entry.note
        spent = sum(-end.held for end in self.around.ended(self.entry, EntryKind.REDEEM))
        back = sum(end.points for end in self.around.ended(self.entry, EntryKind.RELEASE))
        told = {"spent": f"{spent:,}", "back": f"{back:,}"}
        if spent and back:
            yield _("%(spent)s of them were spent, %(back)s came back.") % told
        elif spent:
            yield _("They were spent.")
        elif back:
            yield _("They came back.")
        elif self.entry.until:
            yield _("Until %(at)s; what is not spent by then comes back.") % {
                "at": moment(self.entry.until)
            }
        yield from self._paid_by_others()
        yield from self._taken_from()

    def released(self) -> Iterator[str]:
        if hold := self.around.origin(self.entry):
            told = {"at": moment(hold.effective_at), "points": f"{-hold.points:,}"}
            if self.entry.points == -hold.points:
                yield _("They had been set aside on %(at)s and were not spent.") % told
            else:
                yield (
                    _("Of the %(points)s points set aside on %(at)s, these were not spent.") % told
                )
        yield from self._usable_until()

    def _usable_until(self) -> Iterator[str]:
        """Until when what was given back can be used."""
        days = [last_day for last_day in self.entry.lot_expires_on or () if last_day != NEVER]
        if not days:
            return
        if min(days) == max(days) and NEVER not in (self.entry.lot_expires_on or ()):
            yield _("They can be used until %(day)s.") % {"day": day(days[0])}
        else:
            yield _("The first of them can be used until %(day)s.") % {"day": day(min(days))}

    def taken_back(self) -> Iterator[str]:
        if self.entry.activity:
            yield from _purchases.returned(self.entry, self.entry.activity, self.reader.currency)
        if self.entry.counterpart_id is not None:
            yield _(
                "The purchase was made by %(member)s, whose account was joined with this one."
            ) % {"member": self._other()}
        yield from self._were_waiting()
        if {seq for seq, _points in taken(self.entry)} - {self.entry.reverses}:
            yield from self._taken_from()

    def _were_waiting(self) -> Iterator[str]:
        if self.entry.pending < 0:
            yield ngettext(
                "%(points)s point was still waiting.",
                "%(points)s points were still waiting.",
                -self.entry.pending,
            ) % {"points": f"{-self.entry.pending:,}"}

    def reinstated(self) -> Iterator[str]:
        if original := self.around.origin(self.entry):
            told = {
                "document": original.reference or "",
                "day": day(localdate(original.effective_at)),
                "last_day": day(queries.last_day_of(original)),
            }
            if original.kind == EntryKind.EXPIRE:
                yield _("As goodwill: these points had expired after %(last_day)s.") % told
            elif original.kind == EntryKind.FORFEIT:
                yield _("As goodwill: these points had ended on %(day)s.") % told
            else:
                yield _("Redemption %(document)s of %(day)s was cancelled.") % told
        yield from self._usable_until()

    def adjusted(self) -> Iterator[str]:
        yield _("Corrected by our staff: %(reason)s.") % {"reason": self.entry.get_reason_display()}
        yield from self._taken_from()

    def expired(self) -> Iterator[str]:
        last_day = queries.last_day_of(self.entry)
        yield _("These points could be used until %(day)s.") % {"day": day(last_day)}
        if any(own_last_day > last_day for own_last_day in self.entry.lot_expires_on or ()):
            yield _("All points of the account ended on that day.")
        if days := credits_of(taken(self.entry), self.entry, self.around):
            yield _("They were the points of %(days)s.") % {"days": days}
        if announced := self.around.announcements.get(self.entry.pk):
            yield _("Announced on %(days)s.") % {
                "days": listed([_announced(each) for each in announced])
            }

    def forfeited(self) -> Iterator[str]:
        yield _("The membership ended; the points that were left ended with it.")
        yield from self._were_waiting()

    def transferred(self) -> Iterator[str]:
        told = {"member": self._other()}
        if self.entry.kind == EntryKind.TRANSFER_OUT:
            yield _("To %(member)s.") % told
        else:
            yield _("From %(member)s.") % told
        if self.entry.note and self.entry.actor_id is None:
            yield self.entry.note
        yield from self._taken_from()

    def pooled(self) -> Iterator[str]:
        told = {"member": self._other()}
        if self.entry.kind == EntryKind.POOL_OUT:
            yield _("Spent by %(member)s, with whom these points are shared.") % told
            if self.entry.note:
                yield self.entry.note
            yield from self._taken_from()
        elif self.entry.kind == EntryKind.POOL_IN:
            yield _("Shared by %(member)s, for the redemption that follows.") % told
        elif self.entry.points < 0:
            yield _("They were not needed after all and went back to %(member)s.") % told
        else:
            yield _("%(member)s did not need them after all.") % told
            yield from self._usable_until()

    def merged(self) -> Iterator[str]:
        told = {"member": self._other()}
        if self.entry.kind == EntryKind.MERGE_OUT and not self.around.is_undone(self.entry):
            yield (
                _("This account was joined with that of %(member)s; all points went there.") % told
            )
        elif self.entry.kind == EntryKind.MERGE_OUT:
            yield (
                _("The joining with the account of %(member)s was undone; these went back.") % told
            )
        elif not self.around.is_undone(self.entry):
            yield _("From the account of %(member)s, which was joined with this one.") % told
            if self.entry.points < 0:
                yield _("What was missing there came along.")
            yield from self._waited()
        else:
            yield (
                _("The joining with the account of %(member)s was undone; these came back.") % told
            )

    def _other(self) -> str:
        """The other side of a transfer, a pool or a merge."""
        other = self.around.other(self.entry)
        if other is None:
            return ""
        if self.reader.is_staff:
            return f"{other.name} {other.number}".strip()
        told = {"name": masking.name(other.name), "tail": other.number[-4:]}
        return (
            _("%(name)s, member …%(tail)s") % told
            if other.name
            else _("the member …%(tail)s") % told
        )

    def extended(self) -> Iterator[str]:
        seqs, points, days = (
            self.entry.lot_seq or (),
            self.entry.lot_points or (),
            self.entry.lot_expires_on or (),
        )
        moves: dict[tuple[date, date], list[tuple[int, int]]] = {}
        # Each lot stands there twice: as it was, and as it is.
        for place in range(0, len(seqs), 2):
            moves.setdefault((days[place], days[place + 1]), []).append(
                (seqs[place], points[place + 1])
            )
        if any(before == NEVER for before, _after in moves):
            yield _("The membership was activated; the time of points that waited for it begins.")
        elif moves and self.entry.actor_id is None and self.entry.reference is None:
            yield _("They had not been announced in time, so they can be used longer.")
        for (before, after), lots in moves.items():
            told = {
                "days": credits_of(lots, self.entry, self.around),
                "before": day(before),
                "after": day(after),
            }
            if after == NEVER:
                yield _("The points of %(days)s never lapse.") % told
            elif before == NEVER:
                yield _("The points of %(days)s can be used until %(after)s.") % told
            else:
                yield (
                    _("The points of %(days)s can be used until %(after)s, not %(before)s.") % told
                )
        if not moves:
            yield _("The last day of points that wait, or of all together, has changed.")


def _announced(announcement: queries.Announcement) -> str:
    """“1 May 2026 (inbox, e-mail)”"""
    channels = [str(Channel(channel).label) for channel in announcement.channels]
    return pgettext("a notice of a day", "%(day)s (%(channels)s)") % {
        "day": day(localdate(announcement.sent_at)),
        "channels": listed(channels) if channels else _("it did not arrive"),
    }


_KINDS: dict[EntryKind, Callable[[Telling], Iterator[str]]] = {
    EntryKind.EARN: Telling.earned,
    EntryKind.VEST: Telling.vested,
    EntryKind.REDEEM: Telling.redeemed,
    EntryKind.HOLD: Telling.held,
    EntryKind.RELEASE: Telling.released,
    EntryKind.REVERSE: Telling.taken_back,
    EntryKind.REINSTATE: Telling.reinstated,
    EntryKind.ADJUST: Telling.adjusted,
    EntryKind.EXPIRE: Telling.expired,
    EntryKind.FORFEIT: Telling.forfeited,
    EntryKind.TRANSFER_OUT: Telling.transferred,
    EntryKind.TRANSFER_IN: Telling.transferred,
    EntryKind.POOL_OUT: Telling.pooled,
    EntryKind.POOL_IN: Telling.pooled,
    EntryKind.POOL_BACK: Telling.pooled,
    EntryKind.MERGE_OUT: Telling.merged,
    EntryKind.MERGE_IN: Telling.merged,
    EntryKind.EXTEND: Telling.extended,
}
