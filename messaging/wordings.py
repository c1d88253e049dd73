"""
How staff word a template on a channel: checked when it is saved, filled when it is sent.

Variables stand in braces. On the way to an SMS provider they are its parameters, in the order in
which they appear in the text: by their names for Aliyun (`${points}`), by their places for Tencent
(`{1}`). For WeChat each line is one of its fields: `thing1: {points}`.
"""

import logging
import re
from collections.abc import Collection, Mapping
from typing import Any

from django.conf import settings
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from common.errors import Invalid
from messaging import templates
from messaging.channels import sms
from messaging.models import APPROVED_ELSEWHERE, WITH_SUBJECT, Channel, Message, Wording
from messaging.templates import Text

logger = logging.getLogger(__name__)

VARIABLE = re.compile(r"\{(\w+)\}")
FIELD = re.compile(r"^([A-Za-z_]\w*): *(\S.*)$")

Wordings = Mapping[tuple[str, str], Wording]


class UnknownVariable(Invalid):
    code = "unknown_variable"
    message = _("This text may say %(known)s, not “%(given)s”.")


class MissingVariable(Invalid):
    code = "missing_variable"
    message = _("The text does not say %(missing)s.")


class NoSubject(Invalid):
    code = "no_subject"
    message = _("In the inbox and by e-mail a message has a subject, elsewhere it has none.")


class NoProviderTemplate(Invalid):
    code = "no_provider_template"
    message = _("A text message and WeChat need the provider's name of the text; others have none.")


class NotAField(Invalid):
    code = "not_a_field"
    message = _("Each line must be a field of the WeChat template, such as thing1: {points}")


def check(*, template: str, channel: str, subject: str, body: str, provider_template: str) -> None:
    """
    Look whether a wording can be sent whatever the message is.

    :raises UnknownVariable: :raises MissingVariable: :raises NoSubject:
    :raises NoProviderTemplate: :raises NotAField: if it cannot
    """
    known = templates.template(template).variables
    said = [*used(subject), *used(body)]
    strange = [name for name in said if name not in known]
    # A brace that belongs to no variable would reach the reader.
    strange += re.findall(r"[{}]", VARIABLE.sub("", subject + body))
    if strange:
        raise UnknownVariable(known=_listed(known), given=strange[0])
    if missing := [name for name in known if name not in said]:
        raise MissingVariable(missing=_listed(missing))
    if bool(subject.strip()) is not (channel in WITH_SUBJECT):
        raise NoSubject
    if bool(provider_template.strip()) is not (channel in APPROVED_ELSEWHERE):
        raise NoProviderTemplate
    if channel == Channel.WECHAT and not all(map(FIELD.match, _lines(body))):
        raise NotAField


def used(text: str) -> list[str]:
    """The variables of a text, each once, as they come."""
    return list(dict.fromkeys(VARIABLE.findall(text)))


def fill(text: str, shown: Mapping[str, Any]) -> str:
    """Put values into a text that was checked."""
    return VARIABLE.sub(lambda match: str(shown[match[1]]), text)


def parameters(wording: Wording, shown: Mapping[str, Any]) -> dict[str, str]:
    """What a provider puts into the text that it approved."""
    if wording.channel == Channel.WECHAT:
        fields = [FIELD.match(line) for line in _lines(wording.body)]
        return {field[1]: fill(field[2], shown) for field in fields if field}
    return {name: sms.clean(str(shown[name])) for name in used(wording.body)}


def on(channel: Channel) -> Wordings:
    """All wordings of a channel, by template and language: one query for many messages."""
    found = Wording.objects.filter(channel=channel)
    return {(wording.template, wording.language): wording for wording in found}


def chosen(wordings: Wordings, template: str, language: str) -> Wording | None:
    """The wording in a language, or in the one nearest to it that somebody worded."""
    order = [language, settings.LANGUAGE_CODE, *(code for code, _name in settings.LANGUAGES)]
    found = (wordings.get((template, code)) for code in order)
    return next(filter(None, found), None)


def in_the_inbox(messages: Collection[Message]) -> dict[int, Text]:
    """
    The text of each message by its id, in the active language: as staff word it for the inbox in
    that language, else as it is registered. One query for all of them.
    """
    worded = on(Channel.IN_APP) if messages else {}
    return {each.pk: _in_the_inbox(each, worded) for each in messages}


def _in_the_inbox(message: Message, worded: Wordings) -> Text:
    wording = worded.get((message.template, get_language() or ""))
    if wording is not None:
        try:
            values = templates.template(message.template).show(message.variables)
            return Text(fill(wording.subject, values), fill(wording.body, values))
        except (LookupError, ValueError):
            logger.exception("The wording %s cannot be filled", wording)
    return templates.shown(message.template, message.variables)


def _lines(body: str) -> list[str]:
    return [line for line in body.splitlines() if line.strip()]


def _listed(names: Any) -> str:
    return ", ".join(f"{{{name}}}" for name in names)
