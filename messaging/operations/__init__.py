"""What we send to members: messages, whose delivery is recorded, and one-time codes."""

from messaging.operations._choices import choose, set_language, set_reader, unsubscribe
from messaging.operations._codes import (
    ChallengeOver,
    NoSmsProvider,
    WrongCode,
    answer,
    ask_for_code,
    send_code,
)
from messaging.operations._delivering import deliver_everywhere, deliver_waiting, try_again
from messaging.operations._letters import send_letter
from messaging.operations._merging import (
    merge_messages,
    refused_besides,
    unmerge_messages,
    waiting_to_be_read,
)
from messaging.operations._messages import (
    WAITING_IN_THE_INBOX,
    KeyReused,
    ToSend,
    deliver_in_app,
    read,
    send,
    send_many,
)
from messaging.operations._receipts import note_receipts
from messaging.operations._strangers import tell_stranger
from messaging.operations._telling import tell_changes
from messaging.operations._wording import (
    NotBound,
    TestNotSent,
    bind_by_code,
    bind_follower,
    openid_by_code,
    send_test,
    unbind_follower,
)

__all__ = [
    "WAITING_IN_THE_INBOX",
    "ChallengeOver",
    "KeyReused",
    "NoSmsProvider",
    "NotBound",
    "TestNotSent",
    "ToSend",
    "WrongCode",
    "answer",
    "ask_for_code",
    "bind_by_code",
    "bind_follower",
    "choose",
    "deliver_everywhere",
    "deliver_in_app",
    "deliver_waiting",
    "merge_messages",
    "note_receipts",
    "openid_by_code",
    "read",
    "refused_besides",
    "send",
    "send_code",
    "send_letter",
    "send_many",
    "send_test",
    "set_language",
    "set_reader",
    "tell_changes",
    "tell_stranger",
    "try_again",
    "unbind_follower",
    "unmerge_messages",
    "unsubscribe",
    "waiting_to_be_read",
]
