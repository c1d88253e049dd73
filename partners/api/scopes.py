from collections.abc import Iterable
from typing import Any

from oauth2_provider.scopes import BaseScopes

from partners.models import Scope


class ClientScopes(BaseScopes):
    """A client gets the scopes it was given, and all of them when it asks for none."""

    def get_all_scopes(self) -> dict[str, str]:
        return {scope.value: str(scope.label) for scope in Scope}

    def get_available_scopes(self, application: Any = None, **_: Any) -> Iterable[str]:
        return application.scopes if application is not None else self.get_all_scopes()

    def get_default_scopes(self, application: Any = None, **_: Any) -> Iterable[str]:
        return self.get_available_scopes(application)
