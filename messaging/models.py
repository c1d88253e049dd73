from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from common import personal
from common.fields import EncryptedTextField
from members.models import Member


class Message(models.Model):
    """
    One thing said to one member. The words come from the template in the reader's language.

    `key` is the natural name of what is said, such as `points.expiring:M0000000018:2026-12-31:30d`:
    it is said once, however often somebody asks for it.
    """

    # Its index leads the inbox's below.
    member = models.ForeignKey(
        Member,
        on_delete=models.PROTECT,
        related_name="messages",
        db_index=False,
        verbose_name=_("member"),
    )
    template = models.CharField(_("template"), max_length=64)
    key = models.CharField(_("key"), max_length=200)
    variables = models.JSONField(_("variables"), default=dict)
    created_at = models.DateTimeField(_("created at"))
    delivered_at = models.DateTimeField(
        _("delivered at"), null=True, help_text=_("The first delivery by any channel.")
    )
    read_at = models.DateTimeField(_("read at"), null=True)

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        constraints = [
            models.UniqueConstraint(fields=["key"], name="messaging_message_said_once"),
            models.CheckConstraint(
                condition=Q(read_at=None) | Q(delivered_at__isnull=False),
                name="messaging_message_read_was_delivered",
            ),
        ]
        indexes = [
            # The inbox, newest first.
            models.Index(fields=["member", "-id"], name="messaging_message_inbox"),
        ]

    def __str__(self) -> str:
        return self.key


class Channel(models.TextChoices):
    IN_APP = "IN_APP", _("Inbox")
    EMAIL = "EMAIL", _("E-mail")
    SMS = "SMS", _("Text message")
    WECHAT = "WECHAT", _("WeChat")
    WEBHOOK = "WEBHOOK", _("Webhook")


class Purpose(models.TextChoices):
    """Why something is said: what a member may refuse, or must have agreed to."""

    # Codes and what protects the account: always, at any hour.
    SECURITY = "SECURITY", _("Security")
    # Unless the member says no.
    ACCOUNT = "ACCOUNT", _("Membership, tier and points about to lapse")
    DEBIT = "DEBIT", _("Points spent, sent, taken back or lapsed")
    # Where the member asks for it; else in the inbox alone.
    CREDIT = "CREDIT", _("Points received, vested or set aside")
    # Only who agreed to it (`members.consents`), and there unless the member says no to a channel.
    MARKETING = "MARKETING", _("Offers and news")


# What leaves the house only for who asks for it.
ASKED_FOR = [Purpose.CREDIT]
# What a member may choose about; without a consent to offers there are none to choose.
CHOSEN = [Purpose.DEBIT, Purpose.CREDIT, Purpose.ACCOUNT, Purpose.MARKETING]

# Whom a member hears from outside our own pages, and so may refuse.
REFUSABLE = [Channel.EMAIL, Channel.SMS, Channel.WECHAT]
# What makes a phone ring: not at night.
RINGING = [Channel.SMS, Channel.WECHAT]


# What staff may word, and what needs a text that a provider has approved.
WORDED = [Channel.IN_APP, Channel.EMAIL, Channel.SMS, Channel.WECHAT]
WITH_SUBJECT = [Channel.IN_APP, Channel.EMAIL]
APPROVED_ELSEWHERE = [Channel.SMS, Channel.WECHAT]


class Wording(models.Model):
    """
    How one template reads on one channel in one language, in place of its registered text.

    Text messages and WeChat are sent only where there is one: the provider must have approved it.
    """

    template = models.CharField(_("template"), max_length=64)
    channel = models.CharField(
        _("channel"), max_length=8, choices=[(channel.value, channel.label) for channel in WORDED]
    )
    language = models.CharField(_("language"), max_length=8, choices=settings.LANGUAGES)
    subject = models.CharField(
        _("subject"), max_length=200, blank=True, help_text=_("Of e-mails and in the inbox.")
    )
    body = models.TextField(
        _("text"),
        max_length=2000,
        help_text=_(
            "Variables in braces: {points}. A text message exactly as the provider approved it; "
            "for WeChat a line for each field: thing1: {points}"
        ),
    )
    provider_template = models.CharField(
        _("provider's template"),
        max_length=100,
        blank=True,
        help_text=_("What the SMS provider or WeChat calls the approved text."),
    )

    class Meta:
        verbose_name = _("wording")
        verbose_name_plural = _("wordings")
        constraints = [
            models.UniqueConstraint(
                fields=["template", "channel", "language"], name="messaging_wording_once"
            ),
            models.CheckConstraint(
                condition=~Q(channel__in=["SMS", "WECHAT"]) | ~Q(provider_template=""),
                name="messaging_wording_approved_has_its_name",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.template} {self.channel} {self.language}"


class Follower(models.Model):
    """A member who follows the official account: whom WeChat may tell something."""

    member = models.OneToOneField(
        Member, on_delete=models.PROTECT, primary_key=True, related_name="follower"
    )
    openid = EncryptedTextField(_("openid"))
    bound_at = models.DateTimeField(_("bound at"))

    class Meta:
        verbose_name = _("follower")
        verbose_name_plural = _("followers")

    def __str__(self) -> str:
        return str(self.member_id)


class ChoiceSource(models.TextChoices):
    PAGE = "PAGE", _("The member's page")
    LINK = "LINK", _("The link in an e-mail")
    STAFF = "STAFF", _("Staff")
    MERGE = "MERGE", _("Joining of two members")


class Choice(models.Model):
    """
    Where a member wants to hear what: yes or no to a purpose on a channel. INSERT only: the latest
    counts. Whether we may send offers at all is no choice but a consent (`members.consents`).
    """

    # Its index leads the one below.
    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, related_name="message_choices", db_index=False
    )
    purpose = models.CharField(_("purpose"), max_length=9, choices=Purpose.choices)
    channel = models.CharField(_("channel"), max_length=8, choices=Channel.choices)
    is_wanted = models.BooleanField(_("is wanted"))
    made_at = models.DateTimeField(_("made at"))
    source = models.CharField(_("source"), max_length=5, choices=ChoiceSource.choices)

    class Meta:
        verbose_name = _("choice of messages")
        verbose_name_plural = _("choices of messages")
        constraints = [
            models.CheckConstraint(
                condition=~Q(purpose="SECURITY"), name="messaging_choice_security_has_none"
            ),
            models.CheckConstraint(
                condition=Q(channel__in=["EMAIL", "SMS", "WECHAT"]),
                name="messaging_choice_of_what_leaves_the_house",
            ),
        ]
        indexes = [
            models.Index(
                fields=["member", "purpose", "channel", "-id"], name="messaging_choice_latest"
            )
        ]

    def __str__(self) -> str:
        return f"{self.member_id} {self.purpose} {self.channel} {self.is_wanted}"


class Reader(models.Model):
    """How a member reads what is sent: in which language, and when it is night there."""

    member = models.OneToOneField(
        Member, on_delete=models.PROTECT, primary_key=True, related_name="reader"
    )
    language = models.CharField(_("language"), max_length=8, choices=settings.LANGUAGES, blank=True)
    time_zone = models.CharField(_("time zone"), max_length=40, blank=True)

    class Meta:
        verbose_name = _("reader")
        verbose_name_plural = _("readers")

    def __str__(self) -> str:
        return str(self.member_id)


class DeliveryState(models.TextChoices):
    WAITING = "WAITING", _("Waiting")
    SENT = "SENT", _("Delivered")
    # The other side said no for good.
    FAILED = "FAILED", _("Refused")
    # We tried for as long as it makes sense.
    DEAD = "DEAD", _("Given up")
    # The member said no before it left.
    UNWANTED = "UNWANTED", _("Not wanted any more")


class Problem(models.TextChoices):
    """What kept a delivery back, where it was not the other side; its words are kept as it said."""

    NO_ADDRESS = "no_address", _("The member has no address for it any more.")
    NO_WORDING = "no_wording", _("Nobody has worded it for this channel any more.")
    NO_PHONE_WE_WRITE_TO = "no_phone_we_write_to", _("We do not write to phones of that country.")
    MEMBERSHIP_ENDED = "membership_ended", _("The membership has ended.")
    TOO_LATE = "too_late", _("It could not be sent for a week; nobody wants to read it now.")
    WORKER_LOST = "worker_lost", _("Each attempt was cut short.")


class Delivery(models.Model):
    """What became of a message on one channel."""

    message = models.ForeignKey(
        Message,
        on_delete=models.PROTECT,
        related_name="deliveries",
        db_index=False,
        verbose_name=_("message"),
    )
    channel = models.CharField(_("channel"), max_length=8, choices=Channel.choices)
    state = models.CharField(_("state"), max_length=8, choices=DeliveryState.choices)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    retry_at = models.DateTimeField(
        _("next attempt"),
        null=True,
        help_text=_("While a worker sends it: when another may take it for lost."),
    )
    sent_at = models.DateTimeField(_("sent at"), null=True)
    arrived_at = models.DateTimeField(
        _("arrived at"), null=True, help_text=_("By the provider's receipt, where there is one.")
    )
    # Goes before all that is not, however long that has waited.
    is_urgent = models.BooleanField(_("is urgent"), default=False)
    error = models.CharField(_("error"), max_length=500, blank=True)
    provider_id = models.CharField(
        _("provider's name for it"),
        max_length=200,
        blank=True,
        help_text="E-mail: Message-ID; text message: BizId or SerialNo.",
    )

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        permissions = [("retry_delivery", "Can have a failed delivery tried again")]
        constraints = [
            models.UniqueConstraint(
                fields=["message", "channel"], name="messaging_delivery_once_a_channel"
            ),
            models.CheckConstraint(
                condition=Q(state="SENT", sent_at__isnull=False)
                | (~Q(state="SENT") & Q(sent_at=None)),
                name="messaging_delivery_sent_has_a_time",
            ),
            models.CheckConstraint(
                condition=Q(arrived_at=None) | Q(state="SENT"),
                name="messaging_delivery_arrived_was_sent",
            ),
            models.CheckConstraint(
                condition=~Q(state="WAITING")
                | Q(channel="IN_APP", retry_at=None)
                | (~Q(channel="IN_APP") & Q(retry_at__isnull=False)),
                name="messaging_delivery_waiting_has_its_turn",
            ),
        ]
        indexes = [
            # A channel's worker takes what is urgent, then the oldest that is due.
            models.Index(
                fields=["channel", "-is_urgent", "retry_at", "id"],
                condition=Q(state="WAITING"),
                name="messaging_delivery_waiting",
            ),
            # A receipt names a text message as the provider does.
            models.Index(
                fields=["provider_id"],
                condition=Q(channel="SMS") & ~Q(provider_id=""),
                name="messaging_delivery_receipt",
            ),
            # The console shows staff what did not arrive.
            models.Index(
                fields=["-id"],
                condition=Q(state__in=["FAILED", "DEAD"]),
                name="messaging_delivery_failed",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.message_id} {self.channel}"

    @property
    def problem(self) -> str:
        """What kept it back, in words; servers repeat the address they refuse."""
        return personal.without_contacts(str(dict(Problem.choices).get(self.error, self.error)))


class Telling(models.Model):
    """How far members have been told of what a room wrote down (`messaging.changes`)."""

    source = models.CharField(_("source"), max_length=64, primary_key=True)
    until = models.DateTimeField(
        _("told until"), help_text="What was recorded before this has been told."
    )

    class Meta:
        verbose_name = _("telling of changes")
        verbose_name_plural = _("tellings of changes")

    def __str__(self) -> str:
        return f"{self.source}: {self.until:%Y-%m-%d %H:%M:%S}"


class SandboxCode(models.Model):
    """
    A one-time code that would have gone out by SMS, kept for the sandbox's page.

    In production no row is ever written: `messaging.operations.send_code` refuses.
    """

    phone = EncryptedTextField(_("phone"))
    code = EncryptedTextField(_("code"))
    sent_at = models.DateTimeField(_("sent at"))

    class Meta:
        verbose_name = _("sandbox code")
        verbose_name_plural = _("sandbox codes")

    def __str__(self) -> str:
        return f"{self.sent_at:%H:%M:%S}"
