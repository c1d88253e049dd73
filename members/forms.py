"""Forms of the console about members."""

from datetime import date
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminEmailInputWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from common.forms import ReasonForm
from members import phones
from members.models import Member, Sex


class ProfileForm(ReasonForm):
    """
    What staff may correct. Phone and e-mail are masked, so their fields start empty: what is left
    empty stays as it is.
    """

    name = forms.CharField(
        label=_("Name"), max_length=100, required=False, widget=UnfoldAdminTextInputWidget
    )
    sex = forms.ChoiceField(
        label=_("Sex"),
        choices=[("", "–"), *Sex.choices],
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    birthday = forms.DateField(
        label=_("Birthday"),
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}),
    )
    province = forms.CharField(
        label=_("Province"), max_length=50, required=False, widget=UnfoldAdminTextInputWidget
    )
    city = forms.CharField(
        label=_("City"), max_length=50, required=False, widget=UnfoldAdminTextInputWidget
    )
    phone = forms.CharField(
        label=_("New phone"),
        max_length=phones.TEXT_MAX,
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"type": "tel", "autocomplete": "off"}),
        help_text=_("Leave empty to keep the present one. The member logs in with it."),
    )
    email = forms.EmailField(
        label=_("New e-mail"),
        required=False,
        widget=UnfoldAdminEmailInputWidget(attrs={"autocomplete": "off"}),
        help_text=_("Leave empty to keep the present one."),
    )
    field_order = ["name", "sex", "birthday", "province", "city", "phone", "email", "reason"]

    @classmethod
    def initial_of(cls, member: Member) -> dict[str, Any]:
        birthday: date | None = member.birthday
        return {
            "name": member.name,
            "sex": member.sex,
            "birthday": birthday.isoformat() if birthday else "",
            "province": member.province,
            "city": member.city,
        }

    def changes(self) -> dict[str, Any]:
        """What `operations.update_profile` takes; equal values are left alone there."""
        content = {key: value for key, value in self.cleaned_data.items() if key != "reason"}
        return {k: v for k, v in content.items() if v or k not in ("phone", "email")}


class AddProductForm(ReasonForm):
    identifier = forms.CharField(
        label=_("VIN or serial number"), max_length=64, widget=UnfoldAdminTextInputWidget
    )
    name = forms.CharField(
        label=_("Product"), max_length=200, required=False, widget=UnfoldAdminTextInputWidget
    )
    purchased_on = forms.DateField(
        label=_("Purchased on"),
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}),
    )
    field_order = ["identifier", "name", "purchased_on", "reason"]


class ProductForm(ReasonForm):
    """About one of a member's products, from a day on."""

    product = forms.TypedChoiceField(label=_("Product"), coerce=int, widget=UnfoldAdminSelectWidget)
    on = forms.DateField(
        label=_("From"),
        widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}),
        help_text=_("The first day on which it is not the member's any more."),
    )
    field_order = ["product", "to", "on", "reason"]

    def __init__(self, *args: Any, products: list[tuple[int, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        product: Any = self.fields["product"]
        product.choices = products


class HandOverForm(ProductForm):
    to = forms.CharField(
        label=_("New owner"),
        max_length=phones.TEXT_MAX,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Member number or phone."),
    )


class CloseForm(ReasonForm):
    understood = forms.BooleanField(
        label=_("I have told the member, or it is the member's own wish"),
        widget=UnfoldBooleanWidget,
    )
