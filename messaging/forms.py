from typing import Any

from django import forms
from django.conf import settings
from django.utils.functional import lazy
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from common.errors import DomainError
from messaging import templates, wordings
from messaging.models import Wording


def _choices() -> list[tuple[str, str]]:
    """Each template by its subject, with what it may say, as staff need both at once."""
    choices = []
    for name in templates.names():
        template = templates.template(name)
        known = " ".join(f"{{{variable}}}" for variable in template.variables)
        choices.append((name, f"{template.example().subject} ({name}) {known}".rstrip()))
    return choices


class WordingForm(forms.ModelForm):
    """Checked as a whole: what one field may say depends on the others."""

    template = forms.ChoiceField(
        label=_("Template"), choices=lazy(_choices, list), widget=UnfoldAdminSelectWidget
    )

    class Meta:
        model = Wording
        fields = ["template", "channel", "language", "subject", "body", "provider_template"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        names = ["template", "channel", "subject", "body", "provider_template"]
        if not self.errors:
            try:
                wordings.check(**{name: cleaned[name] for name in names})
            except DomainError as refusal:
                self.add_error(_field_of(refusal), str(refusal))
        return cleaned


class TestForm(forms.Form):
    address = forms.CharField(
        label=_("Address"),
        max_length=200,
        widget=UnfoldAdminTextInputWidget,
        help_text=_(
            "Your own: an e-mail address, a phone or an openid, as the channel wants it; for the "
            "inbox a member number."
        ),
    )


# By their names in our languages: a list of four hundred cities helps nobody on a phone.
ZONES = [
    ("", _("As the programme")),
    ("Asia/Shanghai", _("China")),
    ("Asia/Urumqi", _("Xinjiang")),
    ("Asia/Hong_Kong", _("Hong Kong")),
    ("Asia/Macau", _("Macao")),
    ("Asia/Taipei", _("Taiwan")),
    ("Asia/Tokyo", _("Japan")),
    ("Asia/Singapore", _("Singapore")),
    ("Australia/Sydney", _("Sydney")),
    ("Europe/London", _("London")),
    ("Europe/Paris", _("Paris")),
    ("America/New_York", _("New York")),
    ("America/Los_Angeles", _("Los Angeles")),
]


class ReaderForm(forms.Form):
    language = forms.ChoiceField(
        label=_("Language of messages and pages"),
        required=False,
        choices=[("", _("As the programme")), *settings.LANGUAGES],
    )
    time_zone = forms.ChoiceField(
        label=_("Where I live"),
        required=False,
        choices=ZONES,
    )


def _field_of(refusal: DomainError) -> str:
    match refusal:
        case wordings.NoSubject():
            return "subject"
        case wordings.NoProviderTemplate():
            return "provider_template"
    return "body"
