"""Makers of rows, through the real operation where there is one, so running totals are true."""

from tests.factories.campaigns import buy
from tests.factories.common import staff
from tests.factories.members import agree, application, consent_text, identity, member
from tests.factories.messaging import message, wording
from tests.factories.partners import api_client, brand, dealer, main_store, store
from tests.factories.points import lot, source
from tests.factories.programme import plain, rulebook

__all__ = [
    "agree",
    "api_client",
    "application",
    "brand",
    "buy",
    "consent_text",
    "dealer",
    "identity",
    "lot",
    "main_store",
    "member",
    "message",
    "plain",
    "rulebook",
    "source",
    "staff",
    "store",
    "wording",
]
