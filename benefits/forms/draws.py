"""Forms of members about prize draws."""

from django import forms


class EnterForm(forms.Form):
    """The name of one try: sent twice, it draws once."""

    reference = forms.UUIDField(widget=forms.HiddenInput)
