"""Nobody's money: in a sandbox a page of our own says that it was paid."""

from collections.abc import Mapping
from datetime import datetime

from django.conf import settings
from django.urls import reverse

from benefits.payments.port import NATIVE, Asked, Back, BackState, NotGenuine, Standing, Told


class Sandbox:
    name = "sandbox"
    currencies = frozenset({"CNY", "EUR", "HKD", "USD"})
    ways = frozenset({NATIVE})

    def begin(self, asked: Asked) -> str:
        return str(settings.SITE_URL) + reverse("benefits:sandbox_payment", args=[asked.number])

    def sheet(self, address: str) -> Mapping[str, str]:
        # There is no WeChat in a sandbox.
        return {}

    def ask(self, number: str) -> Told:
        # Who pays here says so at once: what was not said was not paid.
        return Told(number=number, standing=Standing.CLOSED)

    def close(self, number: str) -> None: ...

    def give_back(self, back: Back) -> tuple[BackState, str]:
        return BackState.DONE, f"sandbox-{back.number}"

    def read(self, headers: Mapping[str, str], body: bytes, *, at: datetime) -> Told | None:
        # It writes no notices.
        raise NotGenuine
