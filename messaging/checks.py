from typing import Any

from django.conf import settings
from django.core import checks


@checks.register(checks.Tags.security, deploy=True)
def a_provider_sends_the_codes(**_: Any) -> list[checks.CheckMessage]:
    """Say before the first member tries to log in that no code can reach a phone."""
    if settings.SANDBOX:
        return []
    return [
        checks.Info(
            "No SMS provider is built in yet: members cannot log in by code.",
            hint="Codes are shown on a page in a sandbox only (SANDBOX=1).",
            id="messaging.I001",
        )
    ]
