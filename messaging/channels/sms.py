"""Text messages, through the provider that the settings name."""

import re
from typing import Protocol

from django.conf import settings

from messaging.channels.aliyun import Aliyun
from messaging.channels.port import Away, Outgoing, Refused
from messaging.channels.tencent import Tencent
from messaging.models import Problem

# What providers refuse in a variable, and what somebody could abuse one for: links, and the
# brackets of a signature.
LINKS = re.compile(r"https?://\S*|www\.\S*", re.IGNORECASE)
BRACKETS = str.maketrans("", "", "【】[]")
# Both providers take so many characters in a variable of a notice.
VARIABLE_MAX = 35
# A provider's answer may repeat the phone, which is sealed data.
PHONES = re.compile(r"\+?\d{7,15}")


class Provider(Protocol):
    name: str

    def send(self, outgoing: Outgoing) -> str: ...


PROVIDERS: dict[str, type[Provider]] = {"aliyun": Aliyun, "tencent": Tencent}


class TextMessages:
    """The way to phones. Its `send` may be called by many threads at once."""

    at_once = 16

    def __init__(self) -> None:
        self._provider = provider()

    def open(self) -> None:
        if self._provider is None:
            raise Away("no SMS provider")

    def close(self) -> None: ...

    def send(self, outgoing: Outgoing) -> str:
        """As `Carrier.send`; what the provider says is told without the phone."""
        assert self._provider is not None, "opened before"
        if not outgoing.address.startswith(tuple(settings.SMS_PREFIXES)):
            raise Refused(Problem.NO_PHONE_WE_WRITE_TO)
        try:
            return self._provider.send(outgoing)
        except Exception as trouble:
            trouble.args = tuple(PHONES.sub("***", str(part)) for part in trouble.args)
            raise


def provider() -> Provider | None:
    """The provider that is set, if one is."""
    chosen = PROVIDERS.get(settings.SMS_PROVIDER)
    return chosen() if chosen else None


def code_template(language: str) -> str:
    """What the provider calls the text of a one-time code, in a language or the first one set."""
    templates = settings.SMS_CODE_TEMPLATES
    return str(templates.get(language) or next(iter(templates.values()), ""))


def clean(value: str) -> str:
    """A variable as providers take it."""
    return " ".join(LINKS.sub("", value).translate(BRACKETS).split())[:VARIABLE_MAX]
