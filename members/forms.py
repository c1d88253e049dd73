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


class CloseForm(ReasonForm):
    understood = forms.BooleanField(
        label=_("I have told the member, or it is the member's own wish"),
        widget=UnfoldBooleanWidget,
    )
