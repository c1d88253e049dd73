"""A real SMTP server on a port of this machine, which answers as a test wants it to."""

import asyncio
import email
import email.policy
import socket
import threading
from contextlib import contextmanager

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

OK = "250 OK"
HANG_UP = "hang up"


class MailServer:
    """What it accepted is in `letters`, what it was asked to deliver in `asked`, by `senders`."""

    def __init__(self):
        self.senders = []
        self.asked = []
        self.letters = []
        # The answers to each step of a conversation, one after the other; then OK.
        self.to_sender, self.to_recipient, self.to_data = [], [], []
        # Cleared, it takes an e-mail and says nothing until it is set again.
        self.speaks = threading.Event()
        self.speaks.set()
        self.has_taken = threading.Event()

    async def handle_MAIL(self, server, session, envelope, address, options):
        answer = self._next(self.to_sender, server)
        if answer == OK:
            envelope.mail_from = address
            self.senders.append(address)
        return answer

    async def handle_RCPT(self, server, session, envelope, address, options):
        self.asked.append(address)
        answer = self._next(self.to_recipient, server)
        if answer == OK:
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server, session, envelope):
        answer = self._next(self.to_data, server)
        if answer == OK:
            letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
            self.letters.append(letter)
            self.has_taken.set()
        while not self.speaks.is_set():
            await asyncio.sleep(0.01)
        return answer

    def _next(self, answers, server):
        answer = answers.pop(0) if answers else OK
        if answer == HANG_UP:
            server.transport.close()
            return "421 bye"
        return answer

    @property
    def subjects(self):
        return [letter["Subject"] for letter in self.letters]


@contextmanager
def mail_server():
    server = MailServer()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(
        server,
        hostname="127.0.0.1",
        port=port,
        # Whoever logs in has the wrong password; nobody need log in.
        authenticator=lambda *_: AuthResult(success=False, handled=False),
        auth_require_tls=False,
    )
    controller.start()
    server.port = port
    server.stop = controller.stop
    try:
        yield server
    finally:
        server.speaks.set()
        if controller.server is not None:
            controller.stop()
