from datetime import date
from itertools import count

from django.utils.functional import lazy
from django.utils.translation import get_language, ngettext_lazy

from members.models import Member
from messaging import operations, templates
from messaging.models import Channel, Message, Purpose, Wording
from tests.factories.members import member
from tests.factories.points import NOON

_numbers = count(1)


def said_in(**texts: str):
    """A text by language, as a lazy translation would give it."""
    by_language = {code.replace("_", "-"): text for code, text in texts.items()}
    return lazy(lambda: by_language.get(get_language() or "", texts["en"]), str)()


LAPSING = "tests.lapsing"
templates.register(
    LAPSING,
    subject=said_in(
        zh_hans="%(points)s 积分即将到期",
        zh_hant="%(points)s 點積分即將到期",
        en="%(points)s points expire soon",
    ),
    body=said_in(
        zh_hans="最后可用日：%(last_day)s。",
        zh_hant="最後可用日：%(last_day)s。",
        en="Last day: %(last_day)s.",
    ),
    variables={"points": templates.NUMBER, "last_day": templates.DAY},
)
PLURAL = "tests.plural"
templates.register(
    PLURAL,
    subject=ngettext_lazy("one point, %(worth)s", "%(points)s points, %(worth)s", "points"),
    body="%(store)s 100%%",
    variables={"points": templates.NUMBER, "worth": templates.MONEY, "store": templates.TEXT},
)

for _purpose in (Purpose.SECURITY, Purpose.MARKETING):
    templates.register(
        f"tests.{_purpose.lower()}",
        subject="%(points)s",
        body="%(last_day)s",
        variables={"points": templates.NUMBER, "last_day": templates.DAY},
        purpose=_purpose,
    )

LAST_DAY = date(2026, 12, 31)


def to_send(to: Member, key: str = "", points: int = 1200) -> operations.ToSend:
    return operations.ToSend(
        member_id=to.pk,
        key=key or f"key-{next(_numbers)}",
        variables={"points": points, "last_day": LAST_DAY},
    )


def message(
    to: Member | None = None, *, points: int = 1200, at=NOON, template: str = LAPSING
) -> Message:
    one = to_send(to or member(), points=points)
    ids = operations.send_many(template=template, messages=[one], at=at)
    return Message.objects.get(pk=ids[one.key])


def wording(channel: Channel = Channel.SMS, *, language: str = "zh-hans", **changes) -> Wording:
    """How LAPSING reads on a channel."""
    given = {
        Channel.IN_APP: {"subject": "还有 {points} 积分", "body": "用到 {last_day}。"},
        Channel.EMAIL: {"subject": "{points} 积分快到期了", "body": "请在 {last_day} 前使用。"},
        Channel.SMS: {
            "body": "您有{points}积分将于{last_day}到期。",
            "provider_template": "SMS_154950909",
        },
        Channel.WECHAT: {
            "body": "thing1: {points} 积分\ntime2: {last_day}",
            "provider_template": "T-1",
        },
    }[channel]
    return Wording.objects.create(
        **{"template": LAPSING, "channel": channel, "language": language} | given | changes
    )
