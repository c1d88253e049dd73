from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails


class HtmxRequest(HttpRequest):
    """A request as `django_htmx.middleware` leaves it. For annotations."""

    htmx: HtmxDetails
