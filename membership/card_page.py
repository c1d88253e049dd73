"""The member's card at the till: a QR code that is renewed while it is looked at."""

from typing import Any

from django.utils import timezone

from common import qr
from members import cards
from members.views import MemberPage


class CardPage(MemberPage):
    """The card; htmx gets a new code alone."""

    def get_template_names(self) -> list[str]:
        part = self.request.htmx and not self.request.htmx.history_restore_request
        return ["parts/card_code.html" if part else "card.html"]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        now = timezone.now()
        number = self.member.number
        return super().get_context_data(
            member=self.member,
            # As people read it to one another.
            number=f"{number[:3]} {number[3:7]} {number[7:]}",
            qr=qr.drawn(cards.code(self.member.pk, at=now)),
            made_at=now,
            good_for=int(cards.GOOD_FOR.total_seconds()),
            renewed_after=int(cards.RENEWED_AFTER.total_seconds()),
            **kwargs,
        )
