"""Amounts of money as people read them."""

from decimal import Decimal

from django.utils.translation import gettext as _


def money(amount: Decimal, currency: str) -> str:
    """268.5 → 268.50 yuan, in the active language."""
    text = f"{amount:,.2f}"
    return _("%(amount)s yuan") % {"amount": text} if currency == "CNY" else f"{currency} {text}"
