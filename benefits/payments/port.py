"""
What every payment provider has in common.

Each call but `read` asks the provider over the network, and raises `common.outside.Away`, `NotNow`
or `Refused`; none touches the database. A call that is repeated does nothing twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

# How a payment is put to a provider: see `benefits.models.payments.PaymentWay`.
NATIVE, H5, JSAPI = "NATIVE", "H5", "JSAPI"


class NotGenuine(Exception):
    """It is not signed by the provider, not now, or not meant for us."""


class Standing(StrEnum):
    """How a payment stands with the provider."""

    PAID = "PAID"
    # It may still be paid.
    OPEN = "OPEN"
    # Nobody can pay it any more.
    CLOSED = "CLOSED"
    UNKNOWN = "UNKNOWN"


class BackState(StrEnum):
    """How a refund stands with the provider."""

    DONE = "DONE"
    RUNNING = "RUNNING"
    # People must see to it, at the provider.
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """
    :param number: our name for the payment put in this way
    :param way: one of the provider's
    :param title: what is bought, as the payer reads it
    :param until: after which the provider takes nothing
    :param notify_url: where the provider tells that it is paid
    :param return_url: where the payer comes back to
    :param payer_ip: where the payer's browser is; some ways ask for it
    :param openid: who pays, to the provider; some ways ask for it
    """

    number: str
    way: str
    title: str
    amount: Decimal
    currency: str
    until: datetime
    notify_url: str
    return_url: str
    payer_ip: str = ""
    openid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """
    What a provider says of a payment.

    :param transaction: the provider's name for it, once it is paid
    :param amount: what the order was for, in `currency`
    :param paid_at: when it was paid
    """

    number: str
    standing: Standing
    transaction: str = ""
    amount: Decimal = Decimal(0)
    currency: str = ""
    paid_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Back:
    """
    Money to give back: all of a payment. `number` is our name for the refund, `transaction` the
    provider's for what was paid.
    """

    number: str
    transaction: str
    amount: Decimal
    currency: str


class Provider(Protocol):
    """
    :ivar name: as tables and addresses have it
    :ivar currencies: what can be paid in
    :ivar ways: how payments can be put to it
    """

    name: str
    currencies: frozenset[str]

    @property
    def ways(self) -> frozenset[str]: ...

    def begin(self, asked: Asked) -> str:
        """
        An address that the payer's phone opens: `NATIVE` as a QR code, `H5` as a link. Of `JSAPI`
        a name, from which `sheet` makes what WeChat's browser wants.
        """

    def sheet(self, address: str) -> Mapping[str, str]:
        """What a page hands to WeChat's browser to have it ask for the money; signed just now."""

    def ask(self, number: str) -> Told:
        """How a payment stands."""

    def close(self, number: str) -> None:
        """
        Let nobody pay it any more.

        :raises Refused: if it was paid meanwhile
        """

    def give_back(self, back: Back) -> tuple[BackState, str]:
        """Begin a refund, or ask after it: how it stands, and the provider's name for it."""

    def read(self, headers: Mapping[str, str], body: bytes, *, at: datetime) -> Told | None:
        """
        What a notice says; None if it is about something else.

        :raises NotGenuine: unless it is signed by the provider, just now, and about our account
        """
