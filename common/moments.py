"""Times and days as people and systems may name them: of years with which can be reckoned."""

from datetime import date

from django.utils.translation import gettext_lazy as _

from common.errors import Invalid

# Before and after them an hour or a month more can leave what Python and PostgreSQL both know.
YEARS = range(1900, 2201)


class YearOutOfRange(Invalid):
    code = "date_out_of_range"
    message = _("The year must lie between 1900 and 2200.")


def require_years(*named: date | None) -> None:
    """
    Refuse what cannot be reckoned with.

    :param named: days or times; None is none
    :raises YearOutOfRange: if one is of another year
    """
    if any(each is not None and each.year not in YEARS for each in named):
        raise YearOutOfRange
