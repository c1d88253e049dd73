from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.contrib.sessions.base_session import AbstractBaseSession
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from common.fields import EncryptedTextField


class User(AbstractUser):  # type: ignore[django-manager-missing]  # ApiClient.user: untyped base
    """A login: of a member of staff, or of a member (a member without one exists too)."""

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        indexes = [
            # The console lists the few logins of staff among all those of members.
            models.Index(fields=["username"], condition=Q(is_staff=True), name="common_user_staff")
        ]


class Session(AbstractBaseSession):
    """A browser that was here, and who is logged in there (see `common.sessions`)."""

    user_id = models.BigIntegerField(null=True)

    class Meta(AbstractBaseSession.Meta):
        indexes = [
            models.Index(
                fields=["user_id"],
                condition=Q(user_id__isnull=False),
                name="common_session_of_user",
            )
        ]

    @classmethod
    def get_session_store_class(cls) -> Any:
        from common.sessions import SessionStore  # noqa: PLC0415 - it needs this model

        return SessionStore


class SecondFactor(models.Model):
    """What a member of staff proves beside the password (see `common.second_factors`)."""

    user = models.OneToOneField(
        User,
        on_delete=models.PROTECT,
        primary_key=True,
        related_name="second_factor",
        verbose_name=_("user"),
    )
    secret = EncryptedTextField(_("secret"))
    confirmed_at = models.DateTimeField(_("confirmed at"))
    # The step of time whose code came last: no code works twice.
    last_step = models.BigIntegerField(_("last step"))
    recovery = ArrayField(models.BinaryField(max_length=32), default=list)

    class Meta:
        verbose_name = _("second factor")
        verbose_name_plural = _("second factors")
        default_permissions = ()
        permissions = [("reset_secondfactor", "Can take away the second factor of a login")]

    def __str__(self) -> str:
        return str(self.user_id)


class OutboxEvent(models.Model):
    """One fact on its way to one subscriber (see `common.events`)."""

    name = models.CharField(_("event"), max_length=64)
    subscriber = models.CharField(_("subscriber"), max_length=128)
    payload = models.JSONField(_("payload"), encoder=DjangoJSONEncoder)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    retry_at = models.DateTimeField(_("next attempt"))
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    delivered_at = models.DateTimeField(_("delivered at"), null=True)
    dead_at = models.DateTimeField(
        _("given up at"), null=True, help_text=_("Given up; a person must look.")
    )

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        indexes = [
            # The deliverer takes the oldest that is due.
            models.Index(
                fields=["retry_at", "id"],
                name="common_outbox_waiting",
                condition=Q(delivered_at=None, dead_at=None),
            ),
            # The console shows staff what was given up.
            models.Index(
                fields=["-dead_at"],
                name="common_outbox_dead",
                condition=Q(dead_at__isnull=False),
            ),
        ]
        permissions = [("retry_outboxevent", "Can have an event delivered again")]
        constraints = [
            models.CheckConstraint(
                name="common_outbox_delivered_or_dead",
                condition=Q(delivered_at=None) | Q(dead_at=None),
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} → {self.subscriber}"


class JobRun(models.Model):
    """
    One job's work of one day (see `common.nights`): how far it is and what it did.

    Nobody holds a run. Who works on it holds one chunk at a time, by the chunk's row.
    """

    name = models.CharField(_("job"), max_length=64)
    day = models.DateField(_("day"))
    number = models.PositiveSmallIntegerField(
        _("number"), default=1, help_text=_("Of the day's runs, as staff may ask for another.")
    )
    started_at = models.DateTimeField(_("started at"), null=True)
    planned_at = models.DateTimeField(_("planned at"), null=True)
    finished_at = models.DateTimeField(_("finished at"), null=True)
    failed_at = models.DateTimeField(
        _("failed at"), null=True, help_text=_("What could be done is done; a person must look.")
    )
    attempts = models.PositiveSmallIntegerField(_("attempts to plan"), default=0)
    chunk_count = models.PositiveIntegerField(_("chunks"), default=0)
    seconds = models.FloatField(
        _("seconds of work"), default=0, help_text=_("Of all workers together.")
    )
    report = models.JSONField(_("report"), default=dict, encoder=DjangoJSONEncoder)
    error = models.TextField(_("error"), blank=True)

    class Meta:
        verbose_name = _("job run")
        verbose_name_plural = _("job runs")
        permissions = [("rerun_jobrun", "Can have a job done again")]
        constraints = [
            models.UniqueConstraint(
                fields=["name", "day", "number"], name="common_jobrun_numbered_by_day"
            ),
            models.CheckConstraint(
                name="common_jobrun_finished_or_failed",
                condition=Q(finished_at=None) | Q(failed_at=None),
            ),
        ]
        indexes = [
            # The console's list: the latest night, in the order of its jobs.
            models.Index(fields=["-day", "id"], name="common_jobrun_list"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.day}" + (f" #{self.number}" if self.number > 1 else "")

    @property
    def is_over(self) -> bool:
        return self.finished_at is not None or self.failed_at is not None


class JobChunk(models.Model):
    """A range of ids one worker does in one transaction; the work and its trace commit together."""

    run = models.ForeignKey(
        # The unique key begins with it: no index of its own.
        JobRun,
        on_delete=models.PROTECT,
        related_name="chunks",
        db_index=False,
        verbose_name=_("job run"),
    )
    low = models.BigIntegerField(_("from"))
    high = models.BigIntegerField(_("to"), help_text=_("Inclusive."))
    done_at = models.DateTimeField(_("done at"), null=True)
    seconds = models.FloatField(_("seconds of work"), default=0)
    report = models.JSONField(_("report"), default=dict, encoder=DjangoJSONEncoder)
    findings = models.JSONField(_("findings"), default=list)
    attempts = models.PositiveSmallIntegerField(_("failed attempts"), default=0)
    error = models.TextField(_("error"), blank=True)

    class Meta:
        verbose_name = _("job chunk")
        verbose_name_plural = _("job chunks")
        constraints = [
            models.UniqueConstraint(fields=["run", "low"], name="common_jobchunk_once"),
            models.CheckConstraint(
                condition=Q(high__gte=F("low")), name="common_jobchunk_not_empty"
            ),
        ]
        indexes = [
            # A worker takes the next one; those that failed come last.
            models.Index(
                fields=["run", "attempts", "low"],
                name="common_jobchunk_to_do",
                condition=Q(done_at=None),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.run_id}: {self.low}–{self.high}"


class AuditRecord(models.Model):
    """Who did what to whom and why. Append-only; written in the transaction of the deed."""

    at = models.DateTimeField(_("when"), auto_now_add=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("by"),
    )
    action = models.CharField(_("action"), max_length=64)
    target = models.CharField(
        _("about"), max_length=128, help_text=_("A name people know, such as a number.")
    )
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    details = models.JSONField(_("details"), default=dict, encoder=DjangoJSONEncoder)
    ip = models.GenericIPAddressField(_("IP address"), null=True)
    request_id = models.CharField(_("request"), max_length=64, blank=True)

    class Meta:
        verbose_name = _("audit record")
        verbose_name_plural = _("audit records")
        indexes = [
            # The trail of one member, newest first.
            models.Index(fields=["target", "-id"], name="common_audit_of_target"),
        ]

    def __str__(self) -> str:
        return f"{localtime(self.at):%Y-%m-%d %H:%M} {self.action} {self.target}"


class ApprovalState(models.TextChoices):
    PENDING = "PENDING", _("Pending")
    APPROVED = "APPROVED", _("Approved")
    REJECTED = "REJECTED", _("Rejected")
    WITHDRAWN = "WITHDRAWN", _("Withdrawn")


class Approval(models.Model):
    """
    What one person asked for and another decides (see `common.approvals`). A trigger keeps what was
    asked as it was, lets it be decided once, and sees that both are active staff at the time.
    """

    kind = models.CharField(_("kind"), max_length=64)
    reference = models.CharField(
        _("reference"), max_length=96, help_text="The asking form's own name for this request."
    )
    payload = models.JSONField(
        _("payload"),
        encoder=DjangoJSONEncoder,
        help_text="The exact arguments of the operation; no personal data.",
    )
    target = models.CharField(
        _("about"), max_length=128, help_text=_("A name people know, such as a number.")
    )
    reason = models.CharField(_("reason"), max_length=500)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("asked by"),
    )
    requested_at = models.DateTimeField(_("asked at"))
    state = models.CharField(
        _("state"),
        max_length=9,
        choices=ApprovalState.choices,
        default=ApprovalState.PENDING,
    )
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("decided by"),
    )
    decided_at = models.DateTimeField(_("decided at"), null=True)
    note = models.CharField(_("note"), max_length=500, blank=True)

    class Meta:
        verbose_name = _("approval")
        verbose_name_plural = _("approvals")
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "reference"], name="common_approval_reference_once"
            ),
            models.CheckConstraint(
                name="common_approval_is_named_and_reasoned",
                condition=~Q(reference="") & ~Q(target="") & ~Q(reason=""),
            ),
            models.CheckConstraint(
                name="common_approval_decision_is_whole",
                condition=Q(state="PENDING", decided_by=None, decided_at=None, note="")
                | Q(
                    state__in=["APPROVED", "REJECTED", "WITHDRAWN"],
                    decided_by__isnull=False,
                    decided_at__isnull=False,
                ),
            ),
            models.CheckConstraint(
                name="common_approval_by_another",
                condition=Q(state="PENDING")
                | Q(state="WITHDRAWN", decided_by=F("requested_by"))
                | (Q(state__in=["APPROVED", "REJECTED"]) & ~Q(decided_by=F("requested_by"))),
            ),
            models.CheckConstraint(
                name="common_approval_rejection_says_why",
                condition=~Q(state="REJECTED", note=""),
            ),
        ]
        indexes = [
            # The console's list: what waits, longest first (PostgreSQL puts nulls before the latest
            # day), then what was decided.
            models.Index(fields=["-decided_at", "id"], name="common_approval_list"),
            # How many wait for whom, on every page of the console.
            models.Index(
                fields=["kind"], name="common_approval_pending", condition=Q(state="PENDING")
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.kind} {self.target}"


class IdempotencyRecord(models.Model):
    """The answer first given under a client's `Idempotency-Key`."""

    client_id = models.BigIntegerField()
    key = models.CharField(max_length=255)
    fingerprint = models.BinaryField(max_length=32)
    status = models.PositiveSmallIntegerField()
    body = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("idempotency record")
        verbose_name_plural = _("idempotency records")
        constraints = [
            models.UniqueConstraint(fields=["client_id", "key"], name="common_idempotency_once"),
        ]
        indexes = [
            # The night forgets the old ones.
            models.Index(fields=["created_at"], name="common_idempotency_age"),
        ]

    def __str__(self) -> str:
        return f"{self.client_id}:{self.key}"
