"""What staff do with two members who are one person: join them after a look at both, undo it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import HttpResponse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from common.errors import DomainError
from common.staff import acting
from members import attributes, masking, phones
from members import operations as members
from members.models import ConsentPurpose, Member, MemberStatus, Sex
from membership import merging
from membership.member_actions import MemberAction
from membership.points_actions import ConfirmedAction, identity, other_member
from messaging import operations as messaging
from points import forms as points_forms
from points import operations as points
from tiers import queries as tiers

# A member number in an address.
OTHER_MAX = 20
KEEP, THEIRS, OWN = "keep-", "theirs", "own"
LEADS, FREE = "leads", "free"
HIDDEN = "***"


class MergeForm(points_forms.OtherMemberForm):
    """The first step. The second adds which of two values is right, and what becomes of a phone."""

    phone = forms.ChoiceField(
        choices=[(LEADS, LEADS), (FREE, FREE)], required=False, widget=forms.HiddenInput
    )

    @property
    def take(self) -> list[str]:
        """The fields in which the one given up is right."""
        chosen = (name for name, value in self.data.items() if value == THEIRS)
        return [name.removeprefix(KEEP) for name in chosen if name.startswith(KEEP)]


@dataclass(frozen=True, slots=True)
class FieldLine:
    """What is known of both, masked. `is_open`: staff say which is right."""

    name: str
    label: Any
    theirs: str
    own: str
    is_open: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """The second step: both members beside each other, and all that moves."""

    given_up: Member
    survivor: Member
    lines: list[FieldLine]
    moves: list[tuple[Any, str]]
    # The phone of the one given up, masked, if the survivor has another.
    second_phone: str


class Merge(MemberAction):
    title = _("Join with another member")
    icon = "merge"
    permission_required = "points.merge_accounts"
    form_class = MergeForm
    is_danger = True
    is_confirmed = True
    explanation = _(
        "This member is given up for the other one. Points, products, tags and tier go there; its "
        "number, phone and e-mail lead there. You see all of it before anything happens, and it "
        "can be undone."
    )

    def get_initial(self) -> dict[str, Any]:
        return {"other": self.request.GET.get("other", "")[:OTHER_MAX]}

    def form_valid(self, form: Any) -> HttpResponse:
        if "confirmed" in self.request.POST:
            return super().form_valid(form)
        sees_all = self.request.user.has_perm("members.reveal_personal_data")
        try:
            comparison = compared(self.member, other_member(form), sees_all=sees_all)
        except DomainError as refusal:
            form.add_error(None, refusal.sentence)
            return self.form_invalid(form)
        return self.render_to_response(self.get_context_data(form=form, comparison=comparison))

    def perform(self, form: Any) -> str:
        other = other_member(form)
        merging.merge(
            member_id=self.member.pk,
            into_id=other.pk,
            take=form.take,
            frees_phone=form.cleaned_data["phone"] == FREE,
            at=timezone.now(),
            by=acting(self.request),
            reason=form.cleaned_data["reason"],
        )
        return gettext("%(number)s was joined with %(into)s.") % {
            "number": self.member.number,
            "into": other.number,
        }


class Unmerge(ConfirmedAction):
    """Where a member was given up for another: what came from there goes back."""

    title = _("Undo the joining")
    icon = "call_split"
    permission_required = "points.merge_accounts"
    statuses = (MemberStatus.CLOSED,)
    form_class = points_forms.UnmergeForm
    is_offered = False
    explanation = _(
        "What came from this member goes back as it was: points that are left, products, tags, "
        "what was known, phone and login. What has changed since is told."
    )

    def facts(self, form: Any) -> Iterable[tuple[Any, Any]]:
        preview = points.preview_unmerge(member=identity(self.member))
        yield _("Joined with"), preview.into
        yield _("Comes back"), f"{preview.left:,}"
        yield _("Waiting"), f"{preview.waiting:,}"
        yield _("Spent meanwhile"), f"{preview.spent:,}"
        chosen = dict(form.fields["after_spending"].choices)[form.cleaned_data["after_spending"]]
        yield form.fields["after_spending"].label, chosen
        yield _("Reason"), form.cleaned_data["reason"]

    def perform(self, form: Any) -> str:
        unmerged, _accounts = merging.unmerge(
            member_id=self.member.pk,
            after_spending=form.cleaned_data["after_spending"],
            at=timezone.now(),
            by=acting(self.request),
            reason=form.cleaned_data["reason"],
        )
        return " ".join([gettext("The members are two again."), *not_given_back(unmerged)])


def compared(given_up: Member, survivor: Member, *, sees_all: bool) -> Comparison:
    """:raises DomainError: as the merge would"""
    preview = members.preview_merge(member_id=given_up.pk, into_id=survivor.pk)
    account = points.preview_merge(member=identity(given_up), into=identity(survivor))
    second = given_up.phone if survivor.phone and given_up.phone != survivor.phone else ""
    return Comparison(
        given_up=given_up,
        survivor=survivor,
        lines=list(_lines(preview, sees_all=sees_all)),
        moves=[(label, told) for label, told in _moves(preview, account) if told],
        second_phone=phones.masked(second),
    )


def _lines(preview: members.MergePreview, *, sees_all: bool) -> Iterator[FieldLine]:
    asked = attributes.defined()
    labels = LABELS | {f"{members.ATTRIBUTE}{code}": each.name for code, each in asked.items()}
    for field, label in labels.items():
        if field not in preview.fields:
            continue
        attribute = asked.get(field.removeprefix(members.ATTRIBUTE))
        theirs, own = (
            _shown(field, value, attribute, sees_all=sees_all) for value in preview.fields[field]
        )
        yield FieldLine(field, label, theirs, own, field in preview.open_fields)


LABELS: dict[str, Any] = {
    "name": _("Name"),
    "sex": _("Sex"),
    "birthday": _("Birthday"),
    "phone": _("Phone"),
    "email": _("E-mail"),
    "id_number": _("ID number"),
    "province": _("Province"),
    "city": _("City"),
}


def _shown(field: str, value: Any, attribute: Any, *, sees_all: bool) -> str:
    """As the member's page shows it."""
    if value is None:
        return "–"
    if attribute is not None and field not in LABELS:
        told = attributes.told({attribute.code: value}, [attribute])[0][1]
        return str(told) if sees_all or not attribute.is_personal else HIDDEN
    return _TOLD[field](value) if field in _TOLD else str(value)


_TOLD: dict[str, Callable[[Any], str]] = {
    "phone": phones.masked,
    "email": masking.email,
    "id_number": masking.tail,
    "sex": lambda value: str(Sex(value).label),
    "birthday": date_format,
}


def _moves(
    preview: members.MergePreview, account: points.MergePreview
) -> Iterator[tuple[Any, str]]:
    """What goes over, in words; empty where there is nothing."""
    given_up, survivor = preview.given_up.pk, preview.survivor.pk
    yield _("Can be spent"), _count(max(0, account.balance))
    yield _("Lots"), _count(account.lots)
    yield _("Waiting"), _count(account.pending)
    yield _("Debt"), _count(max(0, -account.balance))
    yield _("Tier points"), _count(account.qualifying)
    yield _("Products"), "、".join(preview.products)
    yield _("Tags"), "、".join(preview.tags)
    yield _("External numbers that lead there"), "、".join(preview.external_numbers)
    yield _("Consents"), "、".join(_word(word.purpose, agreed) for word, agreed in preview.words)
    yield _("Messages not read yet"), _count(messaging.waiting_to_be_read(given_up).count())
    refused = messaging.refused_besides(given_up, survivor)
    yield (
        _("Messages refused"),
        "、".join(f"{purpose.label} · {channel.label}" for purpose, channel in refused),
    )
    yield _("Applications for a tier"), _count(tiers.waiting_of(given_up).count())


def _count(number: int) -> str:
    return f"{number:,}" if number else ""


def _word(purpose: ConsentPurpose, agreed: bool) -> str:  # noqa: FBT001 - the answer itself
    return f"{purpose.label}: {gettext('Yes') if agreed else gettext('No')}"


def not_given_back(unmerged: members.Unmerged) -> Iterator[str]:
    """A sentence for each kind of thing that is not as it was."""
    kept = unmerged.kept
    if sold := kept.get("product"):
        yield gettext("Sold since, and so of the past: %(products)s.") % {
            "products": "、".join(sold)
        }
    if fields := kept.get("field"):
        asked = attributes.defined()
        named = [
            str(LABELS.get(each) or _name_of(asked, each.removeprefix(members.ATTRIBUTE)))
            for each in fields
        ]
        yield gettext("Changed since, and so left as it is with %(number)s: %(fields)s.") % {
            "number": unmerged.into.number,
            "fields": "、".join(named),
        }
    if tags := kept.get("tag"):
        yield ngettext(
            "%(count)s tag was taken off since.", "%(count)s tags were taken off since.", len(tags)
        ) % {"count": len(tags)}
    if words := kept.get("consent"):
        yield gettext("Said anew since, and so left as it is: %(purposes)s.") % {
            "purposes": "、".join(str(ConsentPurpose(each).label) for each in words)
        }
    if kept.get("phone"):
        yield gettext("The phone is somebody's by now: this member has to prove another.")
    if kept.get("email"):
        yield gettext("The e-mail address has to be confirmed again.")


def _name_of(asked: dict[str, Any], code: str) -> str:
    return asked[code].name if code in asked else code


ACTIONS: dict[str, type[MemberAction]] = {"merge": Merge, "unmerge": Unmerge}
