from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _
from rest_framework.permissions import BasePermission

from partners.api.authentication import Caller

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView


class HasScope(BasePermission):
    """Allow a call only if the view names scopes for this method and the client holds one."""

    code = "insufficient_scope"
    message = _("Your client lacks the scope for this.")

    def has_permission(self, request: "Request", view: "APIView") -> bool:
        # HEAD is GET without the body.
        method = "GET" if request.method == "HEAD" else request.method
        if not isinstance(request.auth, Caller):
            return False
        named = getattr(view, "scopes", {}).get(method, ())
        if isinstance(named, str):
            return named in request.auth.scopes
        return not request.auth.scopes.isdisjoint(named)
