"""What staff do with a member's rights: deliver, undo, note a failure, make up for it."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextInputWidget,
)

from benefits import operations, pictures, queries
from benefits.models import NOTE_MAX, Failure, Kind, Proof, Right, RightState
from common.forms import keep_out
from common.staff import acting
from members import reach
from membership.member_actions import MemberAction
from membership.points_actions import identity
from partners.models import Store

RIGHTS_OFFERED = 50
DAYS = 90


def named(right: Right) -> str:
    benefit = queries.benefit_of(right)
    return f"{benefit.name if benefit else right.benefit} {right.period} #{right.ordinal}"


class RightForm(forms.Form):
    """Which one, and a note. `choices`: what may be chosen."""

    chosen = forms.ChoiceField(label=_("Right"), widget=UnfoldAdminSelectWidget)
    note = forms.CharField(
        label=_("Note"),
        max_length=NOTE_MAX,
        validators=[keep_out],
        widget=UnfoldAdminTextInputWidget,
    )

    def __init__(self, *args: Any, choices: Iterable[tuple[Any, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["chosen"].choices = list(choices)  # type: ignore[attr-defined]  # a choice field


class DeliverForm(RightForm):
    store = forms.ModelChoiceField(
        label=_("Store"),
        queryset=Store.objects.none(),
        widget=UnfoldAdminSelectWidget,
    )
    field_order = ["chosen", "store", "note"]

    def __init__(self, *args: Any, stores: QuerySet[Store], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["store"].queryset = stores  # type: ignore[attr-defined]  # a model choice field


class BookForm(DeliverForm):
    booked_for = forms.SplitDateTimeField(
        label=_("Appointment"), widget=UnfoldAdminSplitDateTimeWidget
    )
    field_order = ["chosen", "store", "booked_for", "note"]


class ProvenForm(DeliverForm):
    """With what proves it: the store's word, the member's code, or a picture."""

    proof = forms.ChoiceField(
        label=_("Proof"),
        choices=Proof.choices,
        initial=Proof.STORE,
        widget=UnfoldAdminSelectWidget,
    )
    card = forms.CharField(
        label=_("Member code"), required=False, max_length=100, widget=UnfoldAdminTextInputWidget
    )
    picture = forms.FileField(
        label=_("Photo or signature"),
        required=False,
        help_text=_("JPEG or PNG. Where and with what it was taken is not kept."),
        widget=UnfoldAdminFileFieldWidget,
    )
    field_order = ["chosen", "store", "proof", "card", "picture", "note"]

    def clean_picture(self) -> bytes:
        given = self.cleaned_data["picture"]
        try:
            return pictures.clean(given.read()) if given else b""
        except operations.NotAPicture as refusal:
            raise forms.ValidationError(refusal.sentence, code=refusal.code) from refusal


class FailForm(RightForm):
    reason = forms.ChoiceField(
        label=_("Reason"), choices=Failure.choices, widget=UnfoldAdminSelectWidget
    )
    field_order = ["chosen", "reason", "note"]


class CompensateForm(RightForm):
    """Points, or another right."""

    points = forms.IntegerField(
        label=_("Points"), required=False, min_value=1, widget=UnfoldAdminIntegerFieldWidget
    )
    benefit = forms.ChoiceField(
        label=_("Or a right to"), required=False, widget=UnfoldAdminSelectWidget
    )
    days = forms.IntegerField(
        label=_("Good for so many days"),
        initial=DAYS,
        min_value=1,
        max_value=3660,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    field_order = ["chosen", "points", "benefit", "days", "note"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        found = queries.matrix_on(localdate()).benefits
        counted = [(each.code, each.name) for each in found if each.kind == Kind.SERVICE]
        self.fields["benefit"].choices = [("", "–"), *counted]  # type: ignore[attr-defined]  # a choice field

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if bool(given.get("points")) == bool(given.get("benefit")):
            raise forms.ValidationError(_("Give points, or another right."), code="either")
        return given


class RightAction(MemberAction):
    """Stands with the rights, not among the buttons above all pages."""

    is_quiet = True
    permission_required = "benefits.deliver_right"
    states: tuple[str, ...] = ()

    @property
    def page(self) -> str:
        return reverse("admin:member-benefits", args=[self.member.number])

    def choices(self) -> list[tuple[Any, str]]:
        found = Right.objects.filter(
            member_id__in=queries.guests_of(self.member.pk), state__in=self.states
        )
        return [(each.pk, named(each)) for each in found.order_by("-pk")[:RIGHTS_OFFERED]]

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "choices": self.choices()}

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        found = super().get_context_data(**context)
        has_choice = bool(found["form"].fields["chosen"].choices)
        return found | {"nothing": "" if has_choice else _("There is no such right.")}

    def stores(self) -> QuerySet[Store]:
        """Where this login may say that something was delivered: staff of a dealer at its own."""
        found = Store.objects.filter(is_active=True).order_by("name")
        within = reach.of(self.request.user)
        return found.filter(organization=within.organization_id) if within.is_limited else found

    def who(self) -> operations.Who:
        return operations.Who(by=acting(self.request))


class ServiceAction(RightAction):
    """Of a benefit of which something is left, whichever right it will be; at a store."""

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "stores": self.stores()}

    def choices(self) -> list[tuple[Any, str]]:
        found = queries.offers(self.member.pk, localdate())
        return [
            (each.benefit.code, each.benefit.name)
            for each in found
            if each.benefit.kind == Kind.SERVICE and each.left != 0
        ]


class BookRight(ServiceAction):
    title = _("Book a right")
    icon = "event"
    form_class = BookForm
    done = _("Booked.")

    def perform(self, form: Any) -> None:
        given = form.cleaned_data
        operations.book(
            member=identity(self.member),
            benefit=given["chosen"],
            booked_for=given["booked_for"],
            at=timezone.now(),
            who=operations.Who(by=acting(self.request), store_id=given["store"].pk),
            note=given["note"],
        )


class DeliverRight(ServiceAction):
    title = _("Deliver a right")
    icon = "task_alt"
    form_class = ProvenForm
    explanation = _("For what a store delivered and could not tell itself.")
    done = _("Delivered.")

    def perform(self, form: Any) -> None:
        operations.deliver(
            member=identity(self.member),
            benefit=form.cleaned_data["chosen"],
            shown=operations.Shown(
                proof=Proof(form.cleaned_data["proof"]),
                card=form.cleaned_data["card"],
                picture=form.cleaned_data["picture"],
            ),
            at=timezone.now(),
            who=operations.Who(by=acting(self.request), store_id=form.cleaned_data["store"].pk),
            note=form.cleaned_data["note"],
        )


class UndoDelivery(RightAction):
    title = _("Undo a delivery")
    icon = "undo"
    form_class = RightForm
    states = (RightState.DELIVERED,)
    done = _("The delivery is undone.")

    def choices(self) -> list[tuple[Any, str]]:
        if not reach.of(self.request.user).is_limited:
            return super().choices()
        own = Right.objects.filter(store__in=self.stores(), state__in=self.states)
        mine = own.filter(member_id__in=queries.guests_of(self.member.pk))
        return [(each.pk, named(each)) for each in mine.order_by("-pk")[:RIGHTS_OFFERED]]

    def perform(self, form: Any) -> None:
        operations.undo(
            right_id=int(form.cleaned_data["chosen"]),
            at=timezone.now(),
            who=self.who(),
            note=form.cleaned_data["note"],
            by_office=True,
        )


class FailRight(RightAction):
    title = _("Not kept")
    icon = "report"
    form_class = FailForm
    permission_required = "benefits.compensate_right"
    is_danger = True
    states = (RightState.GRANTED, RightState.BOOKED, RightState.DELIVERED, RightState.RATED)
    explanation = _("The member did not get what was promised, or got it badly.")
    done = _("Noted.")

    def perform(self, form: Any) -> None:
        operations.fail(
            right_id=int(form.cleaned_data["chosen"]),
            reason=Failure(form.cleaned_data["reason"]),
            note=form.cleaned_data["note"],
            at=timezone.now(),
            who=self.who(),
        )


class CompensateRight(RightAction):
    title = _("Make up for it")
    icon = "volunteer_activism"
    form_class = CompensateForm
    permission_required = "benefits.compensate_right"
    states = (RightState.FAILED,)
    done = _("The member has something in its place.")

    def perform(self, form: Any) -> None:
        given = form.cleaned_data
        about: dict[str, Any] = {
            "right_id": int(given["chosen"]),
            "note": given["note"],
            "at": timezone.now(),
            "who": self.who(),
        }
        if given["points"]:
            operations.compensate_by_points(points_given=given["points"], **about)
        else:
            operations.compensate_by_right(benefit=given["benefit"], days=given["days"], **about)


ACTIONS: dict[str, type[MemberAction]] = {
    "book-right": BookRight,
    "deliver-right": DeliverRight,
    "undo-delivery": UndoDelivery,
    "fail-right": FailRight,
    "compensate-right": CompensateRight,
}
