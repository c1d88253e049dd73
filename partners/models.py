from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from oauth2_provider.models import AbstractApplication


class Scope(models.TextChoices):
    """What an API client may do. Views name one per method."""

    MEMBERS_READ = "members:read", _("Look up members")
    MEMBERS_WRITE = "members:write", _("Create and pre-register members")
    POINTS_READ = "points:read", _("Read accounts and entries")
    POINTS_REDEEM = "points:redeem", _("Redeem points")
    POINTS_TRANSFER = "points:transfer", _("Transfer points between members")
    BENEFITS_READ = "benefits:read", _("Read members' rights and discounts")
    BENEFITS_DELIVER = "benefits:deliver", _("Deliver members' rights")
    ORDERS_READ = "orders:read", _("Read orders that are collected at the stores")
    ORDERS_PLACE = "orders:place", _("Place and cancel orders for members")
    ORDERS_REFUND = "orders:refund", _("Take orders back at the stores")
    ORDERS_WORK = "orders:work", _("Prepare and hand over orders at the stores")
    COUPONS_READ = "coupons:read", _("Verify coupons and read members' coupons")
    COUPONS_USE = "coupons:use", _("Use, reserve and undo coupons")
    PURCHASES_READ = "purchases:read", _("Read purchases and quotes")
    PURCHASES_WRITE = "purchases:write", _("Post purchases and returns")


class Region(models.Model):
    code = models.SlugField(_("code"), unique=True)
    name = models.CharField(_("name"), max_length=100)
    parent = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="children",
        verbose_name=_("part of"),
    )

    class Meta:
        verbose_name = _("region")
        verbose_name_plural = _("regions")

    def __str__(self) -> str:
        return self.name


class OrganizationKind(models.TextChoices):
    BRAND = "BRAND", _("Brand")
    DEALER = "DEALER", _("Dealer")
    PARTNER = "PARTNER", _("Partner")


class Organization(models.Model):  # type: ignore[django-manager-missing]  # its base class is untyped
    """The brand, a dealer or a partner. What it posts it may read; the brand reads all."""

    kind = models.CharField(_("kind"), max_length=8, choices=OrganizationKind.choices)
    code = models.SlugField(_("code"), unique=True)
    name = models.CharField(_("name"), max_length=200)
    region = models.ForeignKey(
        Region, null=True, blank=True, on_delete=models.PROTECT, verbose_name=_("region")
    )
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("organization")
        verbose_name_plural = _("organizations")
        constraints = [
            models.UniqueConstraint(
                fields=["kind"], condition=Q(kind="BRAND"), name="partners_organization_one_brand"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Store(models.Model):
    organization = models.ForeignKey(
        Organization,
        on_delete=models.PROTECT,
        related_name="stores",
        verbose_name=_("organization"),
    )
    code = models.SlugField(_("code"), unique=True)
    name = models.CharField(_("name"), max_length=200)
    city = models.CharField(_("city"), max_length=100, blank=True)
    region = models.ForeignKey(
        Region, null=True, blank=True, on_delete=models.PROTECT, verbose_name=_("region")
    )
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("store")
        verbose_name_plural = _("stores")

    def __str__(self) -> str:
        return self.name


class ApiClient(AbstractApplication):
    """
    A dealer's or store's system. It sees and posts only for its own organization's stores.

    `stores` narrows it to some of them; empty means all.
    """

    organization = models.ForeignKey(
        Organization,
        on_delete=models.PROTECT,
        related_name="api_clients",
        verbose_name=_("organization"),
    )
    stores = models.ManyToManyField(Store, blank=True, verbose_name=_("stores"))
    scopes = ArrayField(
        models.CharField(max_length=32, choices=Scope.choices), verbose_name=_("scopes")
    )
    is_active = models.BooleanField(_("active"), default=True)

    class Meta(AbstractApplication.Meta):
        verbose_name = _("API client")
        verbose_name_plural = _("API clients")

    def __str__(self) -> str:
        return self.name

    def is_usable(self, request: object) -> bool:
        """Whether it gets tokens; asked by django-oauth-toolkit."""
        return self.is_active and self.organization.is_active


class Placement(models.Model):
    """
    The dealer a member of staff works for: whose members are all they see (`members.reach`). And
    the store of that dealer, for who serves at its counter.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        primary_key=True,
        related_name="placement",
        limit_choices_to={"is_staff": True},
        verbose_name=_("staff login"),
    )
    organization = models.ForeignKey(
        Organization,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("dealer"),
        help_text=_("Empty: with a role of dealers, nobody's members; with other roles, all."),
    )

    store = models.ForeignKey(
        Store,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("store"),
        help_text=_("At whose counter the login serves. Empty: at none."),
    )

    class Meta:
        verbose_name = _("dealer of a login")
        verbose_name_plural = _("dealers of logins")
        permissions = [
            ("serve_placement", "Can serve members at the counter of their own store"),
        ]
        constraints = [
            models.CheckConstraint(
                name="partners_placement_store_is_of_a_dealer",
                condition=Q(store=None) | Q(organization__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"{self.user.get_username()} {self.organization or '–'}"
