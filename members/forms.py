"""Forms of the console about members."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.utils.timezone import get_default_timezone, localdate
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminEmailInputWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from common.errors import DomainError
from common.forms import LongNamesWidget, NamesField, ReasonForm, keep_out
from common.localized import localized
from members import attributes, operations, phones
from members.models import (
    Attribute,
    AttributeKind,
    AttributeOption,
    ConsentChannel,
    ConsentPurpose,
    ConsentText,
    Member,
    RefusalReason,
    Sex,
)
from members.names import spelled


class RefuseForm(forms.Form):
    """Why an applicant is turned down: both parts are told to them."""

    reason = forms.ChoiceField(
        label=_("Reason"), choices=RefusalReason.choices, widget=UnfoldAdminSelectWidget
    )
    words = forms.CharField(
        label=_("Words to the applicant"),
        max_length=operations.WORDS_MAX,
        validators=[keep_out],
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("They are sent with the reason; a text message holds the first 35 characters."),
    )

    def clean_reason(self) -> RefusalReason:
        return RefusalReason(self.cleaned_data["reason"])


class _Named(forms.ModelForm):
    """A name in each language, and a code made of it unless one is given."""

    names = NamesField(label=_("Names"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "code" in self.fields:
            self.fields["code"].required = False
            self.fields["code"].help_text = _("Empty: made of the name. It never changes.")

    def clean_code(self) -> str:
        if given := self.cleaned_data.get("code"):
            return str(given)
        if self.instance.pk:
            return str(self.instance.code)
        called = self.cleaned_data.get("names", {})
        code = "-".join(spelled(called.get("en") or localized(called)).split())[:50]
        if not code:
            raise forms.ValidationError(_("No code can be made of this name: give one."))
        return code


class ConsentTextForm(forms.ModelForm):
    """Published as the next version of its purpose."""

    texts = NamesField(label=_("Text"), max_length=2000, widget=LongNamesWidget)

    class Meta:
        model = ConsentText
        fields = ["purpose", "texts"]

    def clean_texts(self) -> dict[str, str]:
        texts: dict[str, str] = self.cleaned_data["texts"]
        if len(texts) < len(settings.LANGUAGES):
            raise forms.ValidationError(_("Members must be able to read it: in every language."))
        return texts


class AttributeForm(_Named):
    class Meta:
        model = Attribute
        fields = [
            "names", "code", "kind", "position", "is_required", "is_personal", "by_member",
            "is_active",
        ]  # fmt: skip


class OptionForm(_Named):
    class Meta:
        model = AttributeOption
        fields = ["names", "code", "position", "is_active"]


class OptionFormSet(forms.BaseInlineFormSet):
    def clean(self) -> None:
        super().clean()
        if any(self.errors) or self.instance.kind not in AttributeKind:
            return
        given = [form for form in self.forms if form.cleaned_data.get("names")]
        asks_to_choose = self.instance.kind in (AttributeKind.CHOICE, AttributeKind.CHOICES)
        if asks_to_choose and not given:
            raise forms.ValidationError(_("Give the choices there are."))
        if given and not asks_to_choose:
            raise forms.ValidationError(_("Only what is chosen from several has choices."))


def attribute_field(attribute: Attribute, *, known: Any = None) -> forms.Field:
    """
    The field of a form that asks for an attribute.

    :param known: what is known already: a choice switched off since stays one for who has it
    """
    options: dict[str, Any] = {"label": attribute.name, "required": attribute.is_required}
    chosen = known if isinstance(known, list) else [known]
    offered = [
        (code, name)
        for code, name in attribute.choices.items()
        if code in attribute.open_choices or code in chosen
    ]
    match AttributeKind(attribute.kind):
        case AttributeKind.NUMBER:
            return forms.DecimalField(
                max_digits=14, decimal_places=2, widget=UnfoldAdminTextInputWidget, **options
            )
        case AttributeKind.DATE:
            widget = UnfoldAdminTextInputWidget(attrs={"type": "date"})
            return forms.DateField(widget=widget, **options)
        case AttributeKind.YES_NO:
            return forms.TypedChoiceField(
                choices=[("", "–"), ("yes", _("Yes")), ("no", _("No"))],
                coerce=lambda value: value == "yes",
                empty_value=None,
                widget=UnfoldAdminSelectWidget,
                **options,
            )
        case AttributeKind.CHOICE:
            return forms.ChoiceField(
                choices=[("", "–"), *offered], widget=UnfoldAdminSelectWidget, **options
            )
        case AttributeKind.CHOICES:
            return forms.MultipleChoiceField(
                choices=offered, widget=UnfoldAdminCheckboxSelectMultipleWidget, **options
            )
    return forms.CharField(
        max_length=attributes.TEXT_MAX, widget=UnfoldAdminTextInputWidget, **options
    )


class ProfileForm(ReasonForm):
    """
    What staff may correct. Phone, e-mail and personal attributes are masked, so their fields start
    empty: what is left empty stays as it is.
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
    field_order = ["name", "sex", "birthday", "province", "city", "phone", "email"]

    def __init__(
        self,
        *args: Any,
        known: Mapping[str, Any] | None = None,
        asked: Sequence[Attribute] = (),
        **kwargs: Any,
    ) -> None:
        """
        :param known: the member's attributes
        :param asked: those this reader may see
        """
        super().__init__(*args, **kwargs)
        known = known or {}
        self.asked = asked
        for attribute in asked:
            field = attribute_field(attribute, known=known.get(attribute.code))
            if attribute.is_personal and attribute.code in known:
                field.required = False
                field.help_text = _("Leave empty to keep the present one.")
            self.fields[_field_of(attribute)] = field
        self.fields["reason"] = self.fields.pop("reason")

    @classmethod
    def initial_of(cls, member: Member, asked: Sequence[Attribute] = ()) -> dict[str, Any]:
        birthday: date | None = member.birthday
        shown = [each for each in asked if not each.is_personal]
        told = {_field_of(each): member.attributes.get(each.code) for each in shown}
        for name, value in told.items():
            if isinstance(value, bool):
                told[name] = "yes" if value else "no"
        return told | {
            "name": member.name,
            "sex": member.sex,
            "birthday": birthday.isoformat() if birthday else "",
            "province": member.province,
            "city": member.city,
        }

    def changes(self) -> dict[str, Any]:
        """What `operations.update_profile` takes; equal values are left alone there."""
        content = {key: value for key, value in self.cleaned_data.items() if key != "reason"}
        told = {
            each.code: value
            for each in self.asked
            if (value := _plain(content.pop(_field_of(each)))) not in (None, "", [])
            or not each.is_personal
        }
        changes = {k: v for k, v in content.items() if v or k not in ("phone", "email")}
        return changes | {"attributes": told} if told else changes


def _field_of(attribute: Attribute) -> str:
    return f"attribute-{attribute.code}"


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value


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


class TagsForm(ReasonForm):
    tags = forms.CharField(
        label=_("Tags"),
        required=False,
        max_length=3000,
        widget=UnfoldAdminTextInputWidget(attrs={"list": "tags", "autocomplete": "off"}),
        help_text=_("Separated by commas. What is not there yet is made."),
    )
    field_order = ["tags", "reason"]

    def clean_tags(self) -> list[str]:
        try:
            return operations.read_tags(self.cleaned_data["tags"])
        except DomainError as refusal:
            raise forms.ValidationError(refusal.sentence) from refusal


class EraseForm(ReasonForm):
    asked = forms.BooleanField(
        label=_("The member has asked for it in writing, and has proven to be the member"),
        widget=UnfoldBooleanWidget,
    )


class WordForm(ReasonForm):
    """What a member told staff: yes or no to one purpose, how and on which day."""

    about = forms.ChoiceField(label=_("Purpose"), widget=UnfoldAdminSelectWidget)
    is_given = forms.TypedChoiceField(
        label=_("The member's decision"),
        choices=[("1", _("Agrees")), ("0", _("Takes it back"))],
        coerce=lambda value: value == "1",
        widget=UnfoldAdminSelectWidget,
    )
    channel = forms.TypedChoiceField(
        label=_("How the member said it"),
        choices=[
            (each.value, label)
            for each, label in [
                (ConsentChannel.STORE, _("In person")),
                (ConsentChannel.PAPER, ConsentChannel.PAPER.label),
                (ConsentChannel.PHONE, ConsentChannel.PHONE.label),
            ]
        ],
        coerce=ConsentChannel,
        widget=UnfoldAdminSelectWidget,
    )
    said_on = forms.DateField(
        label=_("Day"),
        widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}),
        help_text=_("When the member said or signed it. What the member said later holds."),
    )
    text_version = forms.IntegerField(
        label=_("Version of the text"),
        required=False,
        min_value=1,
        max_value=32_767,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "numeric"}),
        help_text=_("Which one the member read. Empty: the latest."),
    )
    field_order = ["about", "is_given", "channel", "said_on", "text_version", "reason"]

    def __init__(self, *args: Any, partners: list[tuple[int, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        about: Any = self.fields["about"]
        about.choices = [
            *(
                (purpose.value, purpose.label)
                for purpose in ConsentPurpose
                if purpose != ConsentPurpose.SHARING
            ),
            *(
                (f"{ConsentPurpose.SHARING}:{pk}", f"{ConsentPurpose.SHARING.label} · {name}")
                for pk, name in partners
            ),
        ]

    def word(self) -> operations.Word:
        purpose, _colon, partner = self.cleaned_data["about"].partition(":")
        return operations.Word(
            purpose=ConsentPurpose(purpose),
            is_given=self.cleaned_data["is_given"],
            text_version=self.cleaned_data["text_version"],
            partner_id=int(partner) if partner else None,
        )

    def said_at(self, now: datetime) -> datetime:
        """Of another day than today a yes counts from its beginning, a no to its very end."""
        day = self.cleaned_data["said_on"]
        if day == localdate(now):
            return now
        return datetime.combine(
            day,
            time.min if self.cleaned_data["is_given"] else time.max,
            tzinfo=get_default_timezone(),
        )


class CloseForm(ReasonForm):
    understood = forms.BooleanField(
        label=_("I have told the member, or it is the member's own wish"),
        widget=UnfoldBooleanWidget,
    )
