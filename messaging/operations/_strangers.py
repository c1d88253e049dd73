"""
What is said to somebody who is no member: by text message, if staff have worded it, and by e-mail.

It is no message: there is no inbox to put it into, and nothing of it is kept.
"""

import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import override

from messaging import templates, wordings
from messaging.channels import CARRIERS, Outgoing, Refused, sms
from messaging.composing import name_of
from messaging.models import Channel
from programme import queries as programme

logger = logging.getLogger(__name__)


def tell_stranger(
    *,
    template: str,
    key: str,
    variables: Mapping[str, Any],
    phone: str,
    email: str = "",
    language: str = "",
) -> list[Channel]:
    """
    Say something to somebody who is no member, now. Called again, it does not arrive twice where
    that can be helped: SMS providers are asked whether they have it, and e-mails keep their name.

    :param key: the natural name of what is said
    :param phone: proven, or given by a dealer who answers for it
    :param language: the default one, if empty
    :returns: by which channels it went. What the other side refuses for good goes by none
    :raises Away: :raises NotNow: (`messaging.channels`) if it should be tried again
    """
    language = language or settings.LANGUAGE_CODE
    with override(language):
        said = templates.template(template)
        shown = said.show(said.keep(variables))
        ready = {
            Channel.SMS: _text_message(template, key, shown, phone, language),
            Channel.EMAIL: _letter(said.put_in(shown), key, email),
        }
    return [channel for channel, outgoing in ready.items() if outgoing and _sent(channel, outgoing)]


def _text_message(
    template: str, key: str, shown: Mapping[str, Any], phone: str, language: str
) -> Outgoing | None:
    wording = wordings.chosen(wordings.on(Channel.SMS), template, language)
    if not phone or wording is None or sms.provider() is None:
        return None
    return Outgoing(
        name=name_of(key),
        address=phone,
        provider_template=wording.provider_template,
        parameters=wordings.parameters(wording, shown),
        first_attempt=False,
    )


def _letter(text: templates.Text, key: str, email: str) -> Outgoing | None:
    if not email:
        return None
    name = name_of(key)
    return Outgoing(
        name=name,
        address=email,
        subject=text.subject,
        body="\n\n".join([text.body, settings.SITE_URL, str(programme.programme() or "")]),
        headers={
            "Message-ID": f"<{name}@{urlsplit(settings.SITE_URL).hostname}>",
            "Auto-Submitted": "auto-generated",
        },
    )


def _sent(channel: Channel, outgoing: Outgoing) -> bool:
    carrier = CARRIERS[channel]()
    try:
        carrier.open()
        carrier.send(outgoing)
    except Refused as refusal:
        logger.error("What a stranger should have been told was refused: %s", refusal)
        return False
    finally:
        carrier.close()
    return True
