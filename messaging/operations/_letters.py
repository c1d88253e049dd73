"""
E-mails to an address nobody has proven yet, or that must arrive now: links to confirm and to reset.

They are no messages: what they hold is secret and soon of no use, so nothing of them is kept.
"""

import hashlib
import logging
import time
from urllib.parse import urlsplit

from django.conf import settings

from messaging.channels import Away, NotNow, Outgoing, Refused
from messaging.channels.email import Letters

logger = logging.getLogger(__name__)
# Somebody looks at the inbox and waits.
WAITS_SECONDS = (1, 3)


def send_letter(*, address: str, subject: str, body: str) -> bool:
    """
    Send an e-mail now; what fails is tried twice more and then given up. The worker's part.

    :returns: whether the server took it
    """
    name = hashlib.sha256(f"{address}\0{body}".encode()).hexdigest()[:32]
    outgoing = Outgoing(
        name=name,
        address=address,
        subject=subject,
        body=body,
        headers={
            "Message-ID": f"<{name}@{urlsplit(settings.SITE_URL).hostname}>",
            "Auto-Submitted": "auto-generated",
        },
    )
    letters = Letters()
    for wait in (*WAITS_SECONDS, None):
        try:
            letters.open()
            letters.send(outgoing)
        except Refused as refusal:
            logger.error("An e-mail with a link was refused: %s", refusal)
            return False
        except (Away, NotNow) as trouble:
            if wait is not None:
                time.sleep(wait)
                continue
            logger.error("An e-mail with a link could not be sent: %s", trouble)
            return False
        finally:
            letters.close()
        return True
    return False
