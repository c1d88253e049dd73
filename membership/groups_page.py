"""“My groups”: a member's family and company, who is in them, what is shared (M11)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from common.errors import DomainError
from members import groups, operations
from members.models import GroupKind, GroupMember, GroupRole, Product
from membership.group_forms import FoundForm, InviteForm, ShareForm
from membership.profile_page import OwnFormPage
from points import queries as points


class GroupsPage(OwnFormPage):
    """Where the member is, who asks the member in, and a family or company of one's own."""

    template_name = "groups/groups.html"

    form_class = FoundForm

    def get_form_kwargs(self) -> dict[str, Any]:
        taken = {place.kind for place in groups.places_of(self.member.pk)}
        offered = groups.offered(at=timezone.now())
        return super().get_form_kwargs() | {
            "kinds": [each for each in offered if each not in taken]
        }

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        now = timezone.now()
        invitations = groups.waiting(at=now).filter(member_id=self.member.pk)
        context = super().get_context_data(
            places=list(groups.places_of(self.member.pk)),
            invitations=[(each, groups.called_owner(each.group_id)) for each in invitations],
            **kwargs,
        )
        kinds = [GroupKind(value) for value, _label in context["form"].fields["kind"].choices]
        return context | {"kinds": kinds}

    def done(self, form: Any) -> HttpResponse:
        group = operations.found_group(
            kind=GroupKind(form.cleaned_data["kind"]),
            name=form.cleaned_data["name"],
            owner_id=self.member.pk,
            at=timezone.now(),
            by=self.login,
        )
        return redirect("group", group.pk)


class AnswerInvitation(GroupsPage):
    """The two buttons beside an invitation."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        now, me = timezone.now(), self.member.pk
        try:
            if "accept" in request.POST:
                place = operations.accept_invitation(
                    invitation_id=pk, member_id=me, at=now, by=self.login
                )
                return redirect("group", place.group_id)
            operations.decline_invitation(invitation_id=pk, member_id=me, at=now)
        except DomainError as refusal:
            context = self.get_context_data(refusal=refusal.sentence)
            return self.render_to_response(context, status=refusal.status)
        return redirect("groups")


class InGroup(OwnFormPage):
    """A page of one group, for who is in it."""

    place: GroupMember

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        member = getattr(request.user, "member", None)
        if member is not None:
            place = groups.place_in(kwargs["pk"], member.pk)
            if place is None:
                raise Http404
            self.place = place
        return super().dispatch(request, *args, **kwargs)

    @property
    def leads(self) -> bool:
        return self.place.role in groups.LEADS


class GroupPage(InGroup):
    template_name = "groups/group.html"
    form_class = InviteForm

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        now, group = timezone.now(), self.place.group
        terms = groups.terms(group.kind, at=now)
        places = list(groups.places(group.pk))
        own = points.spendable_points(self.member.pk, on=localdate(now))
        waiting = groups.waiting(at=now).filter(group=group) if self.leads else ()
        return super().get_context_data(
            place=self.place,
            group=group,
            places=places,
            leads=self.leads,
            is_owner=self.place.role == GroupRole.OWNER,
            own=own,
            shared=points.shared_points(self.member.pk, at=now) if self.place.shares else None,
            may_share=bool(terms and terms.spenders),
            most=terms.members if terms else len(places),
            waiting=list(waiting),
            share_form=kwargs.pop("share_form", None) or self._share_form(),
            vehicles=list(self._vehicles()),
            is_invited="invited" in self.request.GET,
            **kwargs,
        )

    def _vehicles(self) -> QuerySet[Product]:
        """All of the fleet for who leads; else what the member drives."""
        driven = self.place.group.vehicles.filter(owned_until=None).select_related("member")
        return driven if self.leads else driven.filter(member=self.member)

    def _share_form(self) -> ShareForm:
        return ShareForm(
            initial={"shares": self.place.shares, "monthly_points": self.place.monthly_points}
        )

    def done(self, form: Any) -> HttpResponse:
        operations.invite_to_group(
            group_id=self.place.group_id,
            by_member=self.member.pk,
            whom=form.cleaned_data["whom"],
            at=timezone.now(),
        )
        return redirect(f"{self.request.path}?invited")


class SharePoints(GroupPage):
    """The switch, and how many a month."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        form, status = ShareForm(request.POST), 200
        if form.is_valid():
            try:
                operations.share_points(
                    group_id=pk, member_id=self.member.pk, at=timezone.now(), by=self.login,
                    **form.cleaned_data,
                )  # fmt: skip
                return redirect(f"{reverse('group', args=[pk])}?saved")
            except DomainError as refusal:
                form.add_error(None, refusal.sentence)
                status = refusal.status
        return self.render_to_response(self.get_context_data(share_form=form), status=status)


@dataclass(frozen=True, slots=True)
class Deed:
    """What is done to a group only after a second look."""

    title: Promise
    warning: Promise
    # Whether it is about another member.
    of_another: bool
    may: Callable[[GroupMember], bool]


def _owns(place: GroupMember) -> bool:
    return place.role == GroupRole.OWNER


DEEDS = {
    "leave": Deed(
        _("Leave"),
        _("Your points are yours alone again, at once."),
        of_another=False,
        may=lambda _place: True,
    ),
    "dissolve": Deed(
        _("Dissolve"),
        _("Everybody keeps the own points; nothing is shared any more. This cannot be undone."),
        of_another=False,
        may=_owns,
    ),
    "remove": Deed(
        _("Remove"),
        _("They keep their points and can be invited again."),
        of_another=True,
        may=lambda place: place.role in groups.LEADS,
    ),
    "hand-over": Deed(
        _("Make the owner"),
        _("You become an administrator. Only the new owner can undo this."),
        of_another=True,
        may=_owns,
    ),
    "administrator": Deed(
        _("Make an administrator"),
        _("Administrators invite and remove members."),
        of_another=True,
        may=_owns,
    ),
    "member": Deed(
        _("No longer an administrator"),
        _("They stay in the group as a member."),
        of_another=True,
        may=_owns,
    ),
}


class DeedPage(InGroup):
    """Says what will be, and asks once more."""

    template_name = "groups/deed.html"
    form_class = Form

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if kwargs["deed"] not in DEEDS:
            raise Http404
        return super().dispatch(request, *args, **kwargs)

    @property
    def deed(self) -> Deed:
        deed = DEEDS[self.kwargs["deed"]]
        if not deed.may(self.place):
            raise Http404
        return deed

    @property
    def whom(self) -> GroupMember | None:
        if not self.deed.of_another:
            return None
        number = self.request.GET.get("whom", "")
        found = groups.places(self.place.group_id).filter(member__number=number).first()
        if found is None:
            raise Http404
        return found

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            place=self.place, group=self.place.group, asked=self.deed, whom=self.whom, **kwargs
        )

    def done(self, form: Form) -> HttpResponse:
        now, group_id, me = timezone.now(), self.place.group_id, self.member.pk
        whom = self.whom
        other = whom.member_id if whom else me
        match self.kwargs["deed"]:
            case "leave":
                operations.leave_group(group_id=group_id, member_id=me, at=now, by=self.login)
            case "dissolve":
                operations.dissolve_group(group_id=group_id, at=now, by_member=me, by=self.login)
            case "remove":
                operations.remove_from_group(
                    group_id=group_id, member_id=other, at=now, by_member=me, by=self.login
                )
            case "hand-over":
                operations.hand_over_group(
                    group_id=group_id, to_id=other, at=now, by_member=me, by=self.login
                )
            case deed:
                role = GroupRole.ADMIN if deed == "administrator" else GroupRole.MEMBER
                operations.set_group_role(
                    group_id=group_id, member_id=other, role=role, by_member=me, by=self.login
                )
        if groups.place_in(group_id, me) is None:
            return redirect("groups")
        return redirect(f"{reverse('group', args=[group_id])}?saved")


class WithdrawInvitation(InGroup):
    http_method_names = ["post"]
    template_name = "groups/group.html"

    def post(self, request: HttpRequest, pk: int, invitation: int = 0) -> HttpResponse:
        try:
            operations.withdraw_invitation(
                invitation_id=invitation,
                group_id=pk,
                by_member=self.member.pk,
                at=timezone.now(),
            )
        except DomainError:
            # Answered meanwhile: the page shows what has become of it.
            return redirect("group", pk)
        return redirect(f"{reverse('group', args=[pk])}?saved")
