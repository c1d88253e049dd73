"""What every channel out of the house has in common: how a sending ends."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from common.outside import Away, NotNow, Refused

__all__ = ["Away", "Carrier", "NotNow", "Outgoing", "Refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """
    One message, ready to leave on one channel. It touches no database: threads may carry it.

    :param name: ours, the same at every attempt: what lets the other side see a repeat
    :param address: an e-mail address, a phone in E.164, an openid; none for a webhook
    :param provider_template: what the provider calls the approved text (SMS, WeChat)
    :param parameters: what is put into that text, in its order; for a webhook, what is told
    :param headers: more of them, for e-mails
    :param first_attempt: False, if an earlier one may have arrived without our knowing
    """

    name: str
    address: str = ""
    subject: str = ""
    body: str = ""
    provider_template: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    first_attempt: bool = True


class Carrier(Protocol):
    """
    The way out on one channel.

    :ivar at_once: how many messages may be on their way at a time, each in a thread
    """

    at_once: int

    def open(self) -> None:
        """:raises Away: if it is known already that nothing can be sent"""

    def close(self) -> None: ...

    def send(self, outgoing: Outgoing) -> str:
        """
        Hand a message over and return what the other side calls it.

        :raises Refused: :raises NotNow: :raises Away: see there
        """
