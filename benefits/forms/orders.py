"""Forms about orders: what members fill in, and what staff say when they decide."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from benefits.models.items import Handover, ItemPrice
from benefits.models.orders import CARRIER_MAX, CHOSEN, REFERENCE_MAX, SHIPMENT_MAX
from benefits.models.rights import NOTE_MAX
from benefits.operations import orders as operations
from benefits.operations.orders import Delivery
from benefits.words import price
from common.personal import keep_out
from partners.models import Store


class OrderForm(forms.Form):
    """How many for which price, and how the member gets it. The operation judges the rest."""

    reference = forms.CharField(widget=forms.HiddenInput, max_length=REFERENCE_MAX)
    price = forms.TypedChoiceField(label=_("Price"), coerce=int)
    quantity = forms.IntegerField(
        label=_("How many"), min_value=1, max_value=operations.PIECES_MAX, initial=1
    )
    handover = forms.ChoiceField(label=_("How you get it"))
    store = forms.ModelChoiceField(
        label=_("Store where you collect it"),
        queryset=Store.objects.none(),
        required=False,
        empty_label=_("Choose a store"),
    )
    recipient = forms.CharField(
        label=_("Recipient"), max_length=operations.RECIPIENT_MAX, required=False,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )  # fmt: skip
    phone = forms.CharField(
        label=_("Phone of the recipient"), max_length=operations.PHONE_MAX, required=False,
        widget=forms.TextInput(attrs={"autocomplete": "tel", "inputmode": "tel"}),
    )  # fmt: skip
    address = forms.CharField(
        label=_("Address"), max_length=operations.ADDRESS_MAX, required=False,
        widget=forms.TextInput(attrs={"autocomplete": "street-address"}),
    )  # fmt: skip

    def __init__(
        self, *args: Any, prices: list[ItemPrice], handovers: list[str], stores: Any, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.fields["price"].choices = [  # type: ignore[attr-defined]  # a choice field
            (each.pk, price(each.points, each.cash)) for each in prices
        ]
        ways = [(each, Handover(each).label) for each in handovers]
        self.fields["handover"].choices = ways  # type: ignore[attr-defined]  # a choice field
        self.fields["store"].queryset = stores  # type: ignore[attr-defined]  # a model choice
        if Handover.STORE not in handovers:
            del self.fields["store"]
        if Handover.SHIP not in handovers:
            for name in ("recipient", "phone", "address"):
                del self.fields[name]

    def delivery(self) -> Delivery:
        said = self.cleaned_data
        store = said.get("store")
        return Delivery(
            handover=said["handover"],
            store_id=store.pk if store else None,
            recipient=said.get("recipient", ""),
            phone=said.get("phone", ""),
            address=said.get("address", ""),
        )


class WhyForm(forms.Form):
    """Why a member cancels an order or gives it back."""

    why = forms.ChoiceField(label=_("Why"), choices=[(each.value, each.label) for each in CHOSEN])


def _note(*, required: bool) -> forms.CharField:
    return forms.CharField(
        label=_("Note"),
        max_length=NOTE_MAX,
        required=required,
        validators=[keep_out],
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text=_("It stays for ever: nothing personal."),
    )


class NoteForm(forms.Form):
    note = _note(required=False)


class ReasonForm(forms.Form):
    note = _note(required=True)


class GiveForm(forms.Form):
    """What a member is given online, such as a code: they read it on the order's page."""

    note = _note(required=True)


class ShipForm(forms.Form):
    carrier = forms.CharField(
        label=_("carrier"), max_length=CARRIER_MAX, widget=UnfoldAdminTextInputWidget
    )
    shipment = forms.CharField(
        label=_("shipment number"), max_length=SHIPMENT_MAX, widget=UnfoldAdminTextInputWidget
    )
    note = _note(required=False)


class TakeBackForm(forms.Form):
    to_stock = forms.BooleanField(
        label=_("The pieces can be sold again"), required=False, widget=UnfoldBooleanWidget
    )
    note = _note(required=True)
