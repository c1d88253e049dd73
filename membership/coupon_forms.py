"""Forms of the console about coupons."""

import re
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminDateWidget,
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminFileFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from benefits.models.coupons import CodesFrom, CouponBatch, CouponKind, Stacking
from benefits.operations.coupons import BatchDraft
from partners.models import Organization, Store
from programme.policies import FundingShare

LANGUAGES = (("zh_hans", "zh-hans", _("Simplified Chinese")), ("en", "en", _("English")))


def _decimal(label: Any, **options: Any) -> forms.DecimalField:
    return forms.DecimalField(
        label=label, required=False, min_value=0, decimal_places=2, max_digits=12,
        widget=UnfoldAdminDecimalFieldWidget, **options,
    )  # fmt: skip


def _count(label: Any, *, required: bool = False, **options: Any) -> forms.IntegerField:
    return forms.IntegerField(
        label=label, required=required, min_value=1, widget=UnfoldAdminIntegerFieldWidget, **options
    )


def _text(label: Any, *, required: bool = False, limit: int = 200, **options: Any) -> Any:
    options.setdefault("widget", UnfoldAdminTextInputWidget)
    return forms.CharField(label=label, required=required, max_length=limit, **options)


class CouponBatchForm(forms.Form):
    """A draft of a batch. What makes no sense of it, the operation says."""

    code = forms.SlugField(label=_("Code"), max_length=50, widget=UnfoldAdminTextInputWidget)
    name_zh_hans = _text(_("Name in Simplified Chinese"), required=True)
    name_en = _text(_("Name in English"))
    kind = forms.ChoiceField(
        label=_("Kind"), choices=CouponKind.choices, widget=UnfoldAdminSelectWidget
    )
    pays = _decimal(_("Percent of the price"), max_value=100, help_text=_("85 is 15 % off, 8.5折."))
    most = _decimal(_("Takes off at most"), help_text=_("Of a percentage."))
    amount = _decimal(_("Amount off"))
    item_zh_hans = _text(_("What is free, in Simplified Chinese"))
    item_en = _text(_("What is free, in English"))
    minimum_spend = _decimal(_("Minimum spend"))
    categories = _text(
        _("Categories"), help_text=_("Their codes, with commas between. Empty: everything.")
    )
    organizations = forms.ModelMultipleChoiceField(
        Organization.objects.order_by("name"), label=_("Organizations"), required=False,
        widget=UnfoldAdminSelectMultipleWidget,
    )  # fmt: skip
    stores = forms.ModelMultipleChoiceField(
        Store.objects.order_by("name"), label=_("Stores"), required=False,
        widget=UnfoldAdminSelectMultipleWidget,
        help_text=_("Of these two nothing chosen: everywhere."),
    )  # fmt: skip
    stacking = forms.ChoiceField(
        label=_("With other coupons"), choices=Stacking.choices, widget=UnfoldAdminSelectWidget
    )
    first_on = forms.DateField(label=_("First day"), widget=UnfoldAdminDateWidget)
    last_on = forms.DateField(
        label=_("Last day"), widget=UnfoldAdminDateWidget, help_text=_("A good day still.")
    )
    good_days = _count(
        _("Good for days"),
        max_value=3660,
        help_text=_("From the day a member gets it, that day included."),
    )
    remind_days = _count(_("Remind so many days before"), max_value=365)
    codes_from = forms.ChoiceField(
        label=_("Codes"), choices=CodesFrom.choices, widget=UnfoldAdminSelectWidget
    )
    claim_word = _text(
        _("Word to claim it by"), limit=32, help_text=_("Who types it gets a coupon of their own.")
    )
    per_member = _count(_("At most per member"), max_value=1000)
    total = _count(_("At most in total"), required=True)
    cost = _decimal(_("Cost of a use"), help_text=_("Empty: what it takes off."))
    funding = _text(
        _("Who pays"), limit=1000, widget=UnfoldAdminTextareaWidget,
        help_text=_(
            "A line each: brand, store (the organization that takes it) or an organization's code, "
            "and behind it the percentage. Empty: the brand."
        ),
    )  # fmt: skip
    description_zh_hans = _text(
        _("Conditions in words, in Simplified Chinese"), limit=1000,
        widget=UnfoldAdminTextareaWidget,
    )  # fmt: skip

    PLAIN = (
        "code", "kind", "pays", "most", "amount", "stacking", "first_on", "last_on", "good_days",
        "remind_days", "codes_from", "claim_word", "per_member", "total", "cost",
    )  # fmt: skip

    @classmethod
    def initial_of(cls, batch: CouponBatch) -> dict[str, Any]:
        return {
            **{name: getattr(batch, name) for name in cls.PLAIN},
            "minimum_spend": batch.minimum_spend,
            "categories": ", ".join(batch.categories),
            "name_zh_hans": batch.names.get("zh-hans", ""),
            "name_en": batch.names.get("en", ""),
            "item_zh_hans": batch.item.get("zh-hans", ""),
            "item_en": batch.item.get("en", ""),
            "description_zh_hans": batch.description.get("zh-hans", ""),
            "funding": "\n".join(
                " ".join(filter(None, (share["payer"], share["share"], share.get("budget"))))
                for share in batch.funding
            ),
            "stores": list(batch.stores.all()),
            "organizations": list(batch.organizations.all()),
        }

    def clean_funding(self) -> tuple[dict[str, str], ...]:
        """Shares as in the rulebook. That they add up to the whole, the operation looks."""
        return tuple(map(_share, self.cleaned_data["funding"].splitlines()))

    def content(self) -> BatchDraft:
        """What a valid form says."""
        given = self.cleaned_data
        return BatchDraft(
            **{name: given[name] for name in self.PLAIN},
            minimum_spend=given["minimum_spend"] or Decimal(0),
            categories=tuple(
                each.strip() for each in given["categories"].split(",") if each.strip()
            ),
            names=self._in_languages("name"),
            item=self._in_languages("item"),
            description=self._in_languages("description"),
            funding=given["funding"],
            stores=tuple(each.pk for each in given["stores"]),
            organizations=tuple(each.pk for each in given["organizations"]),
        )

    def _in_languages(self, what: str) -> dict[str, str]:
        found = {
            language: self.cleaned_data.get(f"{what}_{name}", "")
            for name, language, _title in LANGUAGES
        }
        return {language: text for language, text in found.items() if text}


def _share(line: str) -> dict[str, str]:
    """Who pays how many per cent, and from which of their budgets if it is said."""
    payer, share, budget = [*line.split(maxsplit=2), "", "", ""][:3]
    share = share.removesuffix("%")
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,2})?", share):
        why = _("“%(line)s”: say who, and how many per cent.") % {"line": line}
        raise forms.ValidationError(why)
    known = payer in (FundingShare.BRAND, FundingShare.STORE)
    if not known and not Organization.objects.filter(code=payer).exists():
        why = _("There is no organization with the code “%(code)s”.") % {"code": payer}
        raise forms.ValidationError(why)
    return {"payer": payer, "share": share} | ({"budget": budget} if budget else {})


class WhyForm(forms.Form):
    """Why something is asked for, or taken back."""

    reason = _text(_("Reason"), required=True)


class RevokeForm(WhyForm):
    """Its code is typed anew, as revoking cannot be taken back."""

    code = _text(_("Code of the batch"), required=True)


class IssueForm(forms.Form):
    """To one member, or to everybody with a tag."""

    member = _text(_("Member number"), limit=20)
    tag = _text(_("Or everybody with the tag"), limit=50)


class PoolForm(forms.Form):
    file = forms.FileField(
        label=_("CSV or XLSX file"), widget=UnfoldAdminFileFieldWidget,
        help_text=_("With a column “code”."),
    )  # fmt: skip


MEMBERS_FILE_BYTES_MAX = 5_000_000


class MembersFileForm(forms.Form):
    """A file with one member in each row, who get a coupon each."""

    file = forms.FileField(
        label=_("CSV or XLSX file"),
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,.xlsx"}),
        help_text=_(
            "With a column “member” of member numbers or phones, 100,000 rows and 5 MB at most."
        ),
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > MEMBERS_FILE_BYTES_MAX:
            raise forms.ValidationError(_("The file is larger than 5 MB; split it."))
        return file
