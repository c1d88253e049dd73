"""The form of a shelf of the points shop."""

from django import forms
from django.utils.translation import gettext_lazy as _

from benefits.models.items import Category
from common.forms import NamesField


class CategoryForm(forms.ModelForm):
    names = NamesField(label=_("Names"))

    class Meta:
        model = Category
        fields = ["names", "code", "position", "is_active"]
