"""How a caller proves who it is, for the API's description."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema

from partners.models import Scope


class ClientCredentials(  # type: ignore[no-untyped-call]  # the package keeps a register
    OpenApiAuthenticationExtension
):
    target_class = "partners.api.authentication.ClientAuthentication"
    name = "oauth2"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {
            "type": "oauth2",
            "flows": {
                "clientCredentials": {
                    "tokenUrl": "/oauth/token/",
                    "scopes": {scope.value: str(scope.label) for scope in Scope},
                }
            },
        }

    def get_security_requirement(self, auto_schema: AutoSchema) -> list[dict[str, list[str]]]:
        named = getattr(auto_schema.view, "scopes", {})[auto_schema.method]
        # A list in one requirement would mean all of them.
        return [{self.name: [scope]} for scope in ([named] if isinstance(named, str) else named)]
