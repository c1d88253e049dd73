"""
The ways out of the house: SMTP, two SMS providers, WeChat, a webhook.

Each is a `Carrier` (`port`): it hands one message over and says whether it was accepted, refused
for ever, or should be tried again and when. Secrets stand in settings and go nowhere else.
"""

from collections.abc import Callable

from messaging.channels.email import Letters
from messaging.channels.port import Away, Carrier, NotNow, Outgoing, Refused
from messaging.channels.sms import TextMessages
from messaging.channels.webhook import Webhook
from messaging.channels.wechat import WeChat
from messaging.models import Channel

CARRIERS: dict[Channel, Callable[[], Carrier]] = {
    Channel.EMAIL: Letters,
    Channel.SMS: TextMessages,
    Channel.WECHAT: WeChat,
    Channel.WEBHOOK: Webhook,
}

__all__ = ["CARRIERS", "Away", "Carrier", "NotNow", "Outgoing", "Refused"]
