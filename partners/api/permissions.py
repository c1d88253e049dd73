from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission

from partners.api.authentication import Caller

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView


class HasScope(BasePermission):
    """Allow a call only if the view names a scope for this method and the client holds it."""

    def has_permission(self, request: "Request", view: "APIView") -> bool:
        scope = getattr(view, "scopes", {}).get(request.method)
        return isinstance(request.auth, Caller) and scope in request.auth.scopes
