"""What staff do about a member's family and company: put a company together, mostly (M11)."""

from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from common.forms import ReasonForm
from common.staff import acting
from members import groups, operations
from members.forms import AddProductForm
from members.models import GroupKind, MemberStatus
from membership.member_actions import MemberAction


class CompanyForm(ReasonForm):
    name = forms.CharField(
        label=_("What it is called"),
        max_length=operations.NAME_MAX,
        widget=UnfoldAdminTextInputWidget,
    )
    field_order = ["name", "reason"]


class JoinCompanyForm(ReasonForm):
    company = forms.IntegerField(
        label=_("Number of the company"),
        min_value=1,
        max_value=2**31 - 1,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("As the list of families and companies has it."),
    )
    field_order = ["company", "reason"]


class PlaceForm(ReasonForm):
    place = forms.TypedChoiceField(
        label=_("Family or company"), coerce=int, widget=UnfoldAdminSelectWidget
    )
    field_order = ["place", "reason"]

    def __init__(self, *args: Any, places: list[tuple[int, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["place"]
        field.choices = places


class GroupAction(MemberAction):
    """Stands with the groups, not among the buttons above all pages."""

    is_quiet = True
    permission_required = "members.change_member"
    statuses: tuple[str, ...] = (MemberStatus.ACTIVE,)


class FoundCompany(GroupAction):
    title = _("Found a company")
    icon = "domain_add"
    form_class: type[forms.Form] = CompanyForm
    explanation = _("The member is its owner. Families are founded by members themselves.")
    done = _("The company is founded.")

    def perform(self, form: Any) -> None:
        operations.found_group(
            kind=GroupKind.COMPANY,
            name=form.cleaned_data["name"],
            owner_id=self.member.pk,
            at=timezone.now(),
            by=acting(self.request),
            reason=form.cleaned_data["reason"],
        )


class JoinCompany(GroupAction):
    title = _("Put into a company")
    icon = "group_add"
    form_class = JoinCompanyForm
    statuses = (MemberStatus.PRE_REGISTERED, MemberStatus.ACTIVE)
    explanation = _("What is shared there, the member says on the own pages.")
    done = _("The member is in the company.")

    def perform(self, form: Any) -> None:
        operations.add_to_company(
            group_id=form.cleaned_data["company"],
            member_id=self.member.pk,
            at=timezone.now(),
            by=acting(self.request),
            reason=form.cleaned_data["reason"],
        )


class AddVehicle(GroupAction):
    title = _("Bind a vehicle of the fleet")
    icon = "local_shipping"
    form_class = AddProductForm
    explanation = _("The member drives it. It goes to the company's owner when the driver leaves.")
    done = _("The vehicle is bound.")

    def perform(self, form: Any) -> None:
        told = form.cleaned_data
        place = groups.places_of(self.member.pk).filter(kind=GroupKind.COMPANY).first()
        if place is None:
            raise operations.NotInGroup
        operations.add_vehicle(
            group_id=place.group_id,
            member_id=self.member.pk,
            vehicle=operations.ProductFacts(
                identifier=told["identifier"], name=told["name"], purchased_on=told["purchased_on"]
            ),
            at=timezone.now(),
            by=acting(self.request),
            reason=told["reason"],
        )


class RemoveFromGroup(GroupAction):
    title = _("Take out of a family or company")
    icon = "group_remove"
    form_class = PlaceForm
    statuses = (MemberStatus.PRE_REGISTERED, MemberStatus.ACTIVE, MemberStatus.FROZEN)
    explanation = _("Nothing is shared any more. Everybody keeps the own points.")
    done = _("The member is out of it.")

    def get_form_kwargs(self) -> dict[str, Any]:
        places = [(each.group_id, str(each.group)) for each in groups.places_of(self.member.pk)]
        return {**super().get_form_kwargs(), "places": places}

    def perform(self, form: Any) -> None:
        operations.remove_from_group(
            group_id=form.cleaned_data["place"],
            member_id=self.member.pk,
            at=timezone.now(),
            by_member=None,
            by=acting(self.request),
            reason=form.cleaned_data["reason"],
        )


ACTIONS: dict[str, type[MemberAction]] = {
    "group-found": FoundCompany,
    "group-join": JoinCompany,
    "group-vehicle": AddVehicle,
    "group-remove": RemoveFromGroup,
}
