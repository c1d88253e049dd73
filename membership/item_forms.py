"""The form in which staff write a listing: texts, prices, limits, pictures."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from benefits.models.coupons import CodesFrom, CouponBatch
from benefits.models.draws import Draw
from benefits.models.items import (
    POINTS_MAX,
    QUANTITY_MAX,
    REASON_MAX,
    Category,
    Handover,
    ItemSource,
    Period,
)
from benefits.operations.items import Limit, Price, Shown, Terms
from common.forms import keep_out
from members.models import Tag
from partners.models import Organization, OrganizationKind, Store
from programme import logos
from tiers import queries as tiers

TEXTS = {
    "names": (_("Name of the item"), 100, None),
    "summary": (_("In one line"), 120, None),
    "description": (_("Description"), 3000, 4),
}
PRICES, LIMITS, PICTURES = 8, 6, 8
MOMENT = "%Y-%m-%dT%H:%M"


def _levels() -> list[tuple[str, str]]:
    return [(each.code, each.name) for each in tiers.ladder_on(localdate()).levels]


def _any_level() -> list[tuple[str, Any]]:
    return [("", _("Any other tier")), *_levels()]


def _moment(label: Any) -> forms.DateTimeField:
    widget = forms.DateTimeInput(format=MOMENT, attrs={"type": "datetime-local"})
    return forms.DateTimeField(
        label=label, required=False, input_formats=[MOMENT, "%Y-%m-%dT%H:%M:%S"], widget=widget
    )


class PriceForm(forms.Form):
    tier = forms.ChoiceField(label=_("Tier"), choices=_any_level, required=False)
    points = forms.IntegerField(
        label=_("Points"), required=False, min_value=0, max_value=POINTS_MAX
    )
    cash = forms.DecimalField(
        label=_("Cash"), required=False, min_value=0, max_digits=10, decimal_places=2
    )


class LimitForm(forms.Form):
    tier = forms.ChoiceField(label=_("Tier"), choices=_any_level, required=False)
    count = forms.IntegerField(
        label=_("At most"), required=False, min_value=1, max_value=QUANTITY_MAX
    )
    period = forms.ChoiceField(label=_("Period"), choices=Period.choices, required=False)


class PictureForm(forms.Form):
    """A picture that is there already."""

    picture = forms.IntegerField(widget=forms.HiddenInput)
    keep = forms.BooleanField(label=_("Keep it"), required=False, initial=True)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for code, language in settings.LANGUAGES:
            self.fields[f"alt_{code}"] = forms.CharField(
                label=_("What it shows · %(language)s") % {"language": language},
                max_length=200,
                required=False,
            )


class TermsForm(forms.Form):
    """What a listing says. Prices, limits and pictures are rows beside it (`ListingForm`)."""

    category = forms.ModelChoiceField(
        label=_("Category"), queryset=Category.objects.order_by("position"), required=False
    )
    source = forms.ChoiceField(label=_("Source"), choices=ItemSource.choices)
    partner = forms.ModelChoiceField(
        label=_("Partner"),
        queryset=Organization.objects.filter(kind=OrganizationKind.PARTNER).order_by("name"),
        required=False,
    )
    batch = forms.ModelChoiceField(
        label=_("Coupon"),
        queryset=CouponBatch.objects.exclude(codes_from=CodesFrom.GENERATED).order_by("-pk"),
        required=False,
        help_text=_("Of a coupon: each piece is one, the member's own as soon as it is paid."),
    )
    draw = forms.ModelChoiceField(
        label=_("Prize draw"),
        queryset=Draw.objects.order_by("-pk"),
        required=False,
        help_text=_("Of a draw ticket: each piece is one go, drawn as soon as it is paid."),
    )
    handovers = forms.MultipleChoiceField(
        label=_("How members get it"),
        choices=Handover.choices,
        widget=forms.CheckboxSelectMultiple,
    )
    tiers = forms.MultipleChoiceField(
        label=_("Only for tiers"),
        choices=_levels,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Nothing chosen: for all."),
    )
    tags = forms.ModelMultipleChoiceField(
        label=_("Only for tags"),
        queryset=Tag.objects.filter(is_active=True).order_by("name"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("One of them is enough. Segments put tags on members."),
    )
    on_sale_from = _moment(_("On sale from"))
    on_sale_until = _moment(_("On sale until"))
    cost = forms.DecimalField(
        label=_("Cost of a piece"), required=False, min_value=0, max_digits=12, decimal_places=2,
        help_text=_("Members never see it."),
    )  # fmt: skip
    value = forms.DecimalField(
        label=_("Usual price"), required=False, min_value=0, max_digits=12, decimal_places=2,
        help_text=_("Members see it. Empty: they are not told."),
    )  # fmt: skip
    file = forms.FileField(
        label=_("Another picture"),
        required=False,
        widget=forms.FileInput(attrs={"accept": "image/png,image/jpeg,image/webp"}),
        help_text=_("PNG, JPEG or WebP, at most 2 MB; best a square."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, (label, most, rows) in TEXTS.items():
            for code, language in settings.LANGUAGES:
                self.fields[f"{name}_{code}"] = forms.CharField(
                    label=f"{label} · {language}",
                    max_length=most,
                    required=name == "names" and code == settings.LANGUAGE_CODE,
                    widget=forms.Textarea(attrs={"rows": rows}) if rows else forms.TextInput,
                )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file and file.size > logos.FILE_MAX:
            raise forms.ValidationError(logos.PictureTooLarge().sentence)
        return file

    @property
    def texts(self) -> list[tuple[Any, list[Any]]]:
        """Each text in all languages, for the page."""
        return [
            (label, [self[f"{name}_{code}"] for code, _language in settings.LANGUAGES])
            for name, (label, _most, _rows) in TEXTS.items()
        ]


class NewItemForm(TermsForm):
    code = forms.SlugField(
        label=_("Code"), max_length=50, help_text=_("Stands in its address; it never changes.")
    )
    is_counted = forms.BooleanField(
        label=_("There is stock of it"), required=False, initial=True,
        help_text=_("Without it, as many can be ordered as members want. It stays so."),
    )  # fmt: skip


class ListingForm:
    """A listing with its rows: one object for the page, one `Terms` for the operation."""

    def __init__(self, form: type[TermsForm], data: Any, files: Any, terms: Terms | None) -> None:
        self.main = form(data, files, initial=_initial(terms) if terms else None)
        self.prices = _rows(PriceForm, "price", data, _prices(terms), PRICES)
        self.limits = _rows(LimitForm, "limit", data, _limits(terms), LIMITS)
        count = len(terms.pictures) if terms else 0
        self.pictures = _rows(PictureForm, "picture", data, _pictures(terms), min(count, PICTURES))
        # Whatever a form sends, only pictures of this listing are kept.
        self._known = {each.picture_id for each in terms.pictures} if terms else set()

    def is_valid(self) -> bool:
        every = [self.main, *self.prices, *self.limits, *self.pictures]
        # Each of them, so that all mistakes are shown at once.
        judged = [each.is_valid() for each in every]
        return all(judged)

    def terms(self, added: Iterable[int]) -> Terms:
        """:param added: ids of pictures that were handed in with it"""
        given = self.main.cleaned_data
        kept = [each.cleaned_data for each in self.pictures]
        return Terms(
            **{name: self._by_language(given, name) for name in TEXTS},
            category_id=given["category"].pk if given["category"] else None,
            source=given["source"],
            partner_id=given["partner"].pk if given["partner"] else None,
            batch_id=given["batch"].pk if given["batch"] else None,
            draw_id=given["draw"].pk if given["draw"] else None,
            handovers=tuple(given["handovers"]),
            tiers=tuple(given["tiers"]),
            tags=tuple(sorted(each.pk for each in given["tags"])),
            on_sale_from=given["on_sale_from"],
            on_sale_until=given["on_sale_until"],
            cost=given["cost"] or Decimal(0),
            value=given["value"] or None,
            prices=tuple(
                Price(row["points"] or 0, row["cash"] or Decimal(0), row["tier"])
                for row in (each.cleaned_data for each in self.prices)
                if row["points"] or row["cash"]
            ),
            limits=tuple(
                Limit(row["count"], row["period"], row["tier"])
                for row in (each.cleaned_data for each in self.limits)
                if row["count"]
            ),
            pictures=tuple(
                Shown(row["picture"], self._by_language(row, "alt"))
                for row in kept
                if row["keep"] and row["picture"] in self._known
            )
            + tuple(Shown(each) for each in added),
        )

    def _by_language(self, given: dict[str, Any], name: str) -> dict[str, str]:
        texts = {code: given[f"{name}_{code}"].strip() for code, _language in settings.LANGUAGES}
        return {code: text for code, text in texts.items() if text}


def _rows(
    form: type[forms.Form], prefix: str, data: Any, initial: list[dict[str, Any]], count: int
) -> list[Any]:
    padded = initial + [{}] * (count - len(initial))
    return [form(data, prefix=f"{prefix}{nth}", initial=each) for nth, each in enumerate(padded)]


def _initial(terms: Terms) -> dict[str, Any]:
    plain = (
        "source", "handovers", "tiers", "tags", "on_sale_from", "on_sale_until", "cost", "value",
    )  # fmt: skip
    texts = {
        f"{name}_{code}": getattr(terms, name).get(code, "")
        for name in TEXTS
        for code, _language in settings.LANGUAGES
    }
    of_ids = {
        name: getattr(terms, f"{name}_id") for name in ("category", "partner", "batch", "draw")
    }
    return {name: getattr(terms, name) for name in plain} | texts | of_ids


def _prices(terms: Terms | None) -> list[dict[str, Any]]:
    found = terms.prices if terms else ()
    return [{"tier": each.tier, "points": each.points, "cash": each.cash or None} for each in found]


def _limits(terms: Terms | None) -> list[dict[str, Any]]:
    found = terms.limits if terms else ()
    return [{"tier": each.tier, "count": each.count, "period": each.period} for each in found]


def _pictures(terms: Terms | None) -> list[dict[str, Any]]:
    found = terms.pictures if terms else ()
    return [
        {"picture": each.picture_id, "keep": True}
        | {f"alt_{code}": text for code, text in each.alt.items()}
        for each in found
    ]


class StockForm(forms.Form):
    """Pieces that come, or a count that was wrong."""

    kind = forms.ChoiceField(
        label=_("What happened"),
        choices=[("receive", _("Pieces came")), ("correct", _("The count was wrong"))],
    )
    store = forms.ModelChoiceField(
        label=_("Where"),
        queryset=Store.objects.filter(is_active=True).order_by("name"),
        required=False,
        empty_label=_("Warehouse"),
    )
    quantity = forms.IntegerField(
        label=_("Pieces"), min_value=-QUANTITY_MAX, max_value=QUANTITY_MAX,
        help_text=_("Of a wrong count, the difference; with a minus, fewer are there."),
    )  # fmt: skip
    reason = forms.CharField(
        label=_("Reason"), max_length=REASON_MAX, required=False, validators=[keep_out],
        help_text=_("Always, where the count was wrong."),
    )  # fmt: skip


class WhyForm(forms.Form):
    reason = forms.CharField(label=_("Reason"), max_length=REASON_MAX, validators=[keep_out])
