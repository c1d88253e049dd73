from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from common.localized import localized
from common.models import Approval


class Logo(models.Model):
    """
    A picture that stands for the brand, drawn anew by us from what staff handed in. What was shown
    once stays: pages that browsers have kept point at it.
    """

    image = models.BinaryField(help_text="A PNG.")
    digest = models.CharField(
        max_length=64, unique=True, help_text="SHA-256 of the image, which is its address."
    )
    width = models.PositiveSmallIntegerField()
    height = models.PositiveSmallIntegerField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = _("logo")
        verbose_name_plural = _("logos")
        constraints = [
            models.CheckConstraint(
                condition=Q(width__gt=0, height__gt=0), name="programme_logo_has_a_size"
            )
        ]

    def __str__(self) -> str:
        return f"{self.width} × {self.height}"


class Programme(models.Model):
    """The programme of this installation. There is one row."""

    code = models.SlugField(unique=True)
    names = models.JSONField(help_text="The name in each language.")
    currency = models.CharField(max_length=3, default="CNY")
    points_per_currency_unit = models.PositiveIntegerField(
        default=10, help_text="What a point is worth: 10 points are 1 yuan."
    )
    color = models.CharField(
        max_length=7, default="#1f5eff", help_text="The brand's colour, #rrggbb."
    )
    contact = models.JSONField(
        default=dict, blank=True, help_text="Whom members ask. See programme.contact."
    )
    questions = models.JSONField(
        default=list, blank=True, help_text="What members ask often. See programme.contact."
    )
    logo = models.ForeignKey(Logo, null=True, on_delete=models.PROTECT, related_name="+")
    only_one = models.BooleanField(default=True, editable=False)

    class Meta:
        verbose_name = _("programme")
        verbose_name_plural = _("programmes")
        constraints = [
            models.CheckConstraint(condition=Q(only_one=True), name="programme_programme_flag"),
            models.UniqueConstraint(fields=["only_one"], name="programme_programme_only_one"),
            models.CheckConstraint(
                condition=Q(points_per_currency_unit__gt=0), name="programme_programme_worth"
            ),
        ]

    def __str__(self) -> str:
        return localized(self.names)


class Version(models.Model):
    """
    A version of the rulebook. Once published nothing of it changes, nor of what hangs on it.

    It is valid from its first day until the next published version's first day.
    """

    number = models.PositiveIntegerField(_("number"), unique=True)
    valid_from = models.DateField(_("valid from"))
    policies = models.JSONField(help_text="See programme.policies.")
    note = models.CharField(_("note"), max_length=500, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    published_at = models.DateTimeField(_("published at"), null=True)
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("published by"),
    )

    class Meta:
        verbose_name = _("rulebook version")
        verbose_name_plural = _("rulebook versions")
        permissions = [("approve_version", "Can approve the rulebook versions others drafted")]
        constraints = [
            models.UniqueConstraint(
                fields=["valid_from"],
                condition=Q(published_at__isnull=False),
                name="programme_version_one_a_day",
            ),
            models.CheckConstraint(
                condition=Q(published_by=None) | ~Q(published_at=None),
                name="programme_version_publisher_has_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"v{self.number}"


class DraftState(models.TextChoices):
    OPEN = "OPEN", _("Open")
    PUBLISHED = "PUBLISHED", _("Published")
    DISCARDED = "DISCARDED", _("Discarded")


class Draft(models.Model):
    """
    A rulebook in the making: the document of the version it is to become, one that could always be
    loaded. While a request to publish it waits, and once it is published or discarded, a trigger
    keeps it as it is.
    """

    based_on = models.ForeignKey(
        Version,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("based on"),
        help_text="The newest version its makers knew of.",
    )
    document = models.JSONField(help_text="See programme.documents.")
    revision = models.PositiveIntegerField(
        default=1, help_text="Counts what was saved: of two who edit, the second is told."
    )
    state = models.CharField(
        _("state"), max_length=9, choices=DraftState.choices, default=DraftState.OPEN
    )
    approval = models.ForeignKey(
        Approval,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("approval"),
        help_text="The latest request to publish it, decided or not.",
    )
    version = models.OneToOneField(
        Version,
        null=True,
        on_delete=models.PROTECT,
        related_name="draft",
        verbose_name=_("version"),
        help_text="What it became.",
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("begun by"),
    )
    created_at = models.DateTimeField(_("begun at"))
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("changed by"),
    )
    changed_at = models.DateTimeField(_("changed at"))

    class Meta:
        verbose_name = _("rulebook draft")
        verbose_name_plural = _("rulebook drafts")
        constraints = [
            models.CheckConstraint(
                condition=Q(state=DraftState.PUBLISHED, version__isnull=False)
                | ~Q(state=DraftState.PUBLISHED) & Q(version=None),
                name="programme_draft_became_a_version",
            ),
            models.CheckConstraint(
                condition=Q(revision__gt=0), name="programme_draft_revision_counts"
            ),
        ]
        indexes = [
            # The console lists the few that are open.
            models.Index(
                fields=["-id"], condition=Q(state=DraftState.OPEN), name="programme_draft_open"
            )
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"
