"""How points are written: grouped by three, with a minus that is as wide as a plus."""

from django import template
from django.utils.formats import number_format

register = template.Library()

MINUS = "\N{MINUS SIGN}"


@register.filter
def figure(points: int) -> str:
    """-1234 → −1,234"""
    return number_format(points, use_l10n=True, force_grouping=True).replace("-", MINUS)


@register.filter
def signed(points: int) -> str:
    """1234 → +1,234"""
    return f"+{figure(points)}" if points > 0 else figure(points)
