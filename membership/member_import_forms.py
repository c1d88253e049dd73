"""Forms of the console about files of historical members."""

import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminFileFieldWidget

from campaigns.member_files import fields, mapping
from campaigns.models import MemberImport
from members import operations as members
from members.models import Attribute, AttributeKind
from partners import queries as partners
from partners.models import Organization
from points.operations import POINTS_MAX

FILE_BYTES_MAX = 30_000_000
VALUES_MAX = 20_000
# `sex: 1 = MALE`, with the signs of either script.
VALUE_LINE = re.compile(r"\s*(?P<field>.+?)\s*[:：]\s*(?P<says>.+?)\s*[=＝]\s*(?P<means>.*?)\s*\Z")


class MemberFileForm(forms.Form):
    """A file with one member in each row."""

    file = forms.FileField(
        label=_("File"),
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,.xlsx"}),
        help_text=_("CSV or XLSX, the first row names the columns. 30 MB at most."),
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > FILE_BYTES_MAX:
            raise forms.ValidationError(
                _("The file is larger than 30 MB; split it, or import it by command.")
            )
        return file


class SetUpForm(forms.Form):
    """Which column tells what, how it is written, and what the members get."""

    organization = forms.ModelChoiceField(
        Organization.objects.filter(is_active=True).order_by("kind", "name"),
        label=_("Organization"),
        help_text=_("Whose external numbers they are."),
        empty_label=None,
    )
    store = forms.CharField(
        label=_("Code of the enrolling store"),
        max_length=50,
        required=False,
        help_text=_("Of rows that name none; may stay empty."),
    )
    active = forms.ChoiceField(
        label=_("Status"),
        choices=[
            ("", _("Pre-registered until they prove who they are")),
            ("1", _("Active at once")),
        ],
        required=False,
    )
    tags = forms.CharField(
        label=_("Tags"), max_length=1000, required=False, help_text=_("Apart by commas.")
    )
    points = forms.IntegerField(
        label=_("Starting points"),
        min_value=0,
        max_value=POINTS_MAX,
        initial=0,
        help_text=_("For each member, beside what a column gives."),
    )
    rate = forms.DecimalField(
        label=_("Points per unit of spend"),
        required=False,
        min_value=0,
        max_digits=12,
        decimal_places=4,
        help_text=_("If a column tells last year's after-sales spend."),
    )
    values = forms.CharField(
        label=_("What values mean"),
        required=False,
        max_length=VALUES_MAX,
        widget=forms.Textarea(attrs={"rows": 3, "placeholder": "性别: 1 = 男"}),
        help_text=_(
            "One a line: field: what the file says = what it means. Nothing behind the = means "
            "not known."
        ),
    )

    def __init__(
        self,
        *args: Any,
        run: MemberImport,
        header: tuple[str, ...],
        definitions: Mapping[str, Attribute],
        **kwargs: Any,
    ) -> None:
        kwargs["initial"] = _initial(run, definitions)
        super().__init__(*args, **kwargs)
        self._definitions = definitions
        columns = [("", "–"), *((name, name) for name in header if name)]
        days = [(form, form) for form in mapping.DAY_FORMATS]
        self._names = [*fields.FIELDS, *(f"{fields.ATTRIBUTE}{code}" for code in definitions)]
        for name in self._names:
            label = fields.label_of(name, definitions)
            self.fields[f"column-{name}"] = forms.ChoiceField(
                label=label, choices=columns, required=False
            )
            if self._is_day(name):
                self.fields[f"day-{name}"] = forms.ChoiceField(
                    label=gettext("Written as"), choices=days, required=False
                )
        for code, label in mapping.WARNINGS.items():
            self.fields[f"warning-{code}"] = forms.ChoiceField(
                label=label, choices=list(mapping.DECISIONS.items()), required=False
            )

    def columns(self) -> list[tuple[Any, Any]]:
        """For each thing a file may tell: the choice of its column, and of how days are written."""
        return [
            (self[f"column-{name}"], self[f"day-{name}"] if self._is_day(name) else None)
            for name in self._names
        ]

    def warnings(self) -> list[Any]:
        return [self[f"warning-{code}"] for code in mapping.WARNINGS]

    def options(self) -> list[Any]:
        names = ("organization", "store", "active", "tags", "points", "rate")
        return [self[name] for name in names]

    def clean_store(self) -> Any:
        code = self.cleaned_data["store"].strip()
        try:
            return partners.store_by_code(code) if code else None
        except partners.UnknownStore as refusal:
            raise forms.ValidationError(refusal.sentence) from refusal

    def clean_tags(self) -> list[str]:
        try:
            return members.read_tags(self.cleaned_data["tags"])
        except (members.InvalidTag, members.TooManyTags) as refusal:
            raise forms.ValidationError(refusal.sentence) from refusal

    def clean_rate(self) -> Any:
        return self.cleaned_data["rate"] or None

    def clean(self) -> dict[str, Any]:
        told: dict[str, Any] = super().clean() or self.cleaned_data
        try:
            told["meant"] = self._meant(told.get("values", ""))
        except forms.ValidationError as error:
            self.add_error("values", error)
        return told

    def _meant(self, text: str) -> dict[str, dict[str, str]]:
        """What values mean, by field: a line has its name, its column or its code."""
        called = {fields.label_of(name, self._definitions): name for name in self._names}
        for name in self._names:
            called.setdefault(self.cleaned_data.get(f"column-{name}") or name, name)
        found: dict[str, dict[str, str]] = {}
        for line in text.splitlines():
            if not line.strip():
                continue
            told = VALUE_LINE.match(line)
            name = called.get(told["field"], told["field"]) if told else ""
            if told is None or name not in self._names:
                raise forms.ValidationError(_("“%(line)s” is not read."), params={"line": line})
            found.setdefault(name, {})[told["says"]] = told["means"]
        return found

    def reading(self) -> mapping.Mapping:
        """:raises InvalidMapping: if it makes no sense"""
        told = self.cleaned_data
        columns = {name: told[f"column-{name}"] for name in self._names}
        chosen = {name: column for name, column in columns.items() if column}
        document = {
            "columns": chosen,
            "days": {
                name: told[f"day-{name}"]
                for name in chosen
                if self._is_day(name) and told[f"day-{name}"]
            },
            "values": told["meant"],
            "warnings": {
                code: told[f"warning-{code}"]
                for code in mapping.WARNINGS
                if told[f"warning-{code}"]
            },
        }
        return mapping.read(document, self._definitions)

    def _is_day(self, name: str) -> bool:
        if name in fields.FIELDS:
            return fields.FIELDS[name].is_day
        return self._definitions[name.removeprefix(fields.ATTRIBUTE)].kind == AttributeKind.DATE


def _initial(run: MemberImport, definitions: Mapping[str, Attribute]) -> dict[str, Any]:
    reading = run.mapping
    lines = [
        f"{fields.label_of(name, definitions)}: {says} = {means}"
        for name, told in reading["values"].items()
        for says, means in told.items()
    ]
    return {
        "organization": run.organization_id,
        "store": run.store.code if run.store else "",
        "active": "1" if run.is_active else "",
        "tags": ", ".join(run.tags),
        "points": run.points,
        "rate": run.rate,
        "values": "\n".join(lines),
        **{f"column-{name}": column for name, column in reading["columns"].items()},
        **{f"day-{name}": form for name, form in reading["days"].items()},
        **{f"warning-{code}": decision for code, decision in reading["warnings"].items()},
    }
