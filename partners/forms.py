from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from partners.models import ApiClient, Scope


class ApiClientForm(forms.ModelForm):
    scopes = forms.MultipleChoiceField(
        label=_("Scopes"), choices=Scope.choices, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )

    class Meta:
        model = ApiClient
        fields = ["name", "organization", "stores", "scopes", "is_active"]

    def clean(self) -> dict:
        cleaned = super().clean() or self.cleaned_data
        organization, stores = cleaned.get("organization"), cleaned.get("stores") or ()
        if any(store.organization_id != organization.pk for store in stores if organization):
            self.add_error("stores", _("A client works only for stores of its own organization."))
        return cleaned


class PlacementForm(forms.ModelForm):
    def clean(self) -> dict:
        cleaned = super().clean() or self.cleaned_data
        organization, store = cleaned.get("organization"), cleaned.get("store")
        if store and store.organization_id != (organization and organization.pk):
            self.add_error("store", _("Name a store of this dealer."))
        return cleaned
