from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from simple_history.models import HistoricalRecords

from common.fields import EncryptedTextField
from common.localized import localized
from members.numbers import application_number
from partners.models import ApiClient, Organization, Store


class MemberStatus(models.TextChoices):
    PRE_REGISTERED = "PRE_REGISTERED", _("Pre-registered")
    ACTIVE = "ACTIVE", _("Active")
    FROZEN = "FROZEN", _("Frozen")
    CLOSED = "CLOSED", _("Closed")


class Sex(models.TextChoices):
    FEMALE = "FEMALE", _("Female")
    MALE = "MALE", _("Male")
    OTHER = "OTHER", _("Other")


class AttributeKind(models.TextChoices):
    TEXT = "TEXT", _("One line of text")
    NUMBER = "NUMBER", _("Number")
    DATE = "DATE", _("Date")
    YES_NO = "YES_NO", _("Yes or no")
    CHOICE = "CHOICE", _("One of several")
    CHOICES = "CHOICES", _("Some of several")


class Attribute(models.Model):
    """Something this brand wants to know of its members. Switched off, never deleted."""

    code = models.SlugField(
        _("code"), max_length=50, unique=True, help_text=_("Never changes: systems use it.")
    )
    names = models.JSONField(_("names"))
    kind = models.CharField(_("kind"), max_length=7, choices=AttributeKind.choices)
    position = models.PositiveSmallIntegerField(_("position"), default=0)
    is_required = models.BooleanField(_("must be known"), default=False)
    is_personal = models.BooleanField(
        _("personal"),
        default=False,
        help_text=_("Staff see it only with the right to see personal data."),
    )
    by_member = models.BooleanField(_("members may edit it themselves"), default=False)
    is_active = models.BooleanField(_("in use"), default=True)

    class Meta:
        verbose_name = _("attribute")
        verbose_name_plural = _("attributes")

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        return localized(self.names)

    @cached_property
    def choices(self) -> dict[str, str]:
        """Names by code, in the order of forms; those switched off too: members have them."""
        return {option.code: option.name for option in self._in_order}

    @cached_property
    def open_choices(self) -> dict[str, str]:
        """Those that may be chosen now."""
        return {option.code: option.name for option in self._in_order if option.is_active}

    @property
    def _in_order(self) -> "list[AttributeOption]":
        # Here and not by the database, so that one look-up serves many attributes.
        return sorted(self.options.all(), key=lambda option: (option.position, option.pk))


class AttributeOption(models.Model):
    """What can be chosen of an attribute."""

    attribute = models.ForeignKey(Attribute, on_delete=models.PROTECT, related_name="options")
    code = models.SlugField(_("code"), max_length=50)
    names = models.JSONField(_("names"))
    position = models.PositiveSmallIntegerField(_("position"), default=0)
    is_active = models.BooleanField(_("in use"), default=True)

    class Meta:
        verbose_name = _("choice")
        verbose_name_plural = _("choices")
        constraints = [
            models.UniqueConstraint(
                fields=["attribute", "code"], name="members_attributeoption_code_once"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        return localized(self.names)


def stopped_until(stopped_at: datetime | None) -> datetime | None:
    """Until when no points leave an account whose phone was changed at a moment."""
    if stopped_at is None:
        return None
    return stopped_at + timedelta(hours=settings.PHONE_CHANGE_HOURS)


class Member(models.Model):
    """A person who belongs. Phone, e-mail and ID number are sealed."""

    number = models.CharField(_("member number"), max_length=11, unique=True)
    status = models.CharField(_("status"), max_length=14, choices=MemberStatus.choices)
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="member",
        verbose_name=_("login"),
    )

    name = models.CharField(_("name"), max_length=100, blank=True)
    # As `members.names` spells it, in the order of the alphabet; null sorts behind all names.
    name_spelled = models.TextField(null=True, editable=False, db_collation="C")
    # Each character and each pair of neighbours: a Chinese name is found by any part of it, which
    # trigrams of two- and three-character names cannot do. And the pairs of its pinyin.
    name_parts = ArrayField(models.CharField(max_length=2), default=list, editable=False)
    sex = models.CharField(_("sex"), max_length=6, choices=Sex.choices, blank=True)
    birthday = models.DateField(_("birthday"), null=True, blank=True)
    phone = EncryptedTextField(_("phone"), blank=True, help_text="E.164, such as +8613812345678.")
    email = EncryptedTextField(_("e-mail"), blank=True)
    id_number = EncryptedTextField(_("ID number"), blank=True)
    province = models.CharField(_("province"), max_length=50, blank=True)
    city = models.CharField(_("city"), max_length=50, blank=True)
    # By the code of the Attribute, as `members.attributes` checks them.
    attributes = models.JSONField(_("attributes"), default=dict, editable=False)

    enrolling_store = models.ForeignKey(
        Store,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("enrolling store"),
    )
    joined_at = models.DateTimeField(_("joined at"))
    activated_at = models.DateTimeField(_("activated at"), null=True, blank=True)
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True)
    # When the phone was changed: for some hours after it no points leave the account, until staff
    # release them (docs/decisions/0030). Read with whatever else an operation asks of a member.
    spending_stopped_at = models.DateTimeField(null=True, editable=False)
    # Who this turned out to be (docs/decisions/0020); the index is below.
    merged_into = models.ForeignKey(
        "self",
        null=True,
        editable=False,
        on_delete=models.PROTECT,
        db_index=False,
        related_name="+",
        verbose_name=_("joined with"),
    )

    history = HistoricalRecords(
        excluded_fields=["name_spelled", "name_parts", "spending_stopped_at"]
    )

    class Meta:
        verbose_name = _("member")
        verbose_name_plural = _("members")
        permissions = [
            ("reveal_personal_data", "Can see phone, e-mail and ID number in full"),
            ("export_personal_data", "Can download personal data in full"),
            ("activate_member", "Can activate a pre-registered member"),
            ("freeze_member", "Can freeze and unfreeze a member"),
            ("unstop_member", "Can let points be spent at once after a change of phone"),
            ("close_member", "Can end a membership"),
            ("export_member", "Can have a member's data put together for the member"),
            ("erase_member", "Can have a member's data erased"),
            ("limited_to_dealer", "Sees only members of the own dealer"),
        ]
        constraints = [
            models.CheckConstraint(
                name="members_member_number_form", condition=Q(number__regex=r"^M\d{10}$")
            ),
            models.CheckConstraint(
                name="members_member_active_was_activated",
                condition=~Q(status="ACTIVE") | Q(activated_at__isnull=False),
            ),
            models.CheckConstraint(
                name="members_member_pre_registered_was_not",
                condition=~Q(status="PRE_REGISTERED") | Q(activated_at=None),
            ),
            models.CheckConstraint(
                name="members_member_closed_has_a_time",
                condition=Q(status="CLOSED", closed_at__isnull=False)
                | (~Q(status="CLOSED") & Q(closed_at=None)),
            ),
            models.CheckConstraint(
                name="members_member_joined_with_another_has_ended",
                condition=Q(merged_into=None)
                | (Q(status="CLOSED") & ~Q(merged_into=models.F("id"))),
            ),
        ]
        indexes = [
            # The console finds a member by any part of the name.
            GinIndex(fields=["name_parts"], name="members_member_name_parts"),
            # Segments ask which members have some attribute.
            GinIndex(
                fields=["attributes"],
                name="members_member_attributes",
                opclasses=["jsonb_path_ops"],
            ),
            # … and leafs through them as in a telephone book.
            models.Index(fields=["name_spelled", "-id"], name="members_member_by_name"),
            # Who was joined with a member: their numbers and phones lead here.
            models.Index(
                fields=["merged_into"],
                condition=Q(merged_into__isnull=False),
                name="members_member_joined_with",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.name}".strip()


class PhoneDirectory(models.Model):
    """One phone, one member. The key is the phone's blind index."""

    phone_index = models.BinaryField(primary_key=True, max_length=32)
    # That of its last four digits: all a clerk asks a customer for.
    tail_index = models.BinaryField(max_length=32, db_index=True)
    member = models.OneToOneField(Member, on_delete=models.CASCADE, related_name="phone_entry")

    class Meta:
        verbose_name = _("phone directory entry")
        verbose_name_plural = _("phone directory")

    def __str__(self) -> str:
        return str(self.member_id)


class EmailDirectory(models.Model):
    """One e-mail to log in with, one member, who has proven to read it. The key as for phones."""

    email_index = models.BinaryField(primary_key=True, max_length=32)
    member = models.OneToOneField(Member, on_delete=models.CASCADE, related_name="email_entry")
    confirmed_at = models.DateTimeField(_("confirmed at"))

    class Meta:
        verbose_name = _("e-mail directory entry")
        verbose_name_plural = _("e-mail directory")

    def __str__(self) -> str:
        return str(self.member_id)


class Product(models.Model):
    """What a member owns, by its unique identifier (VIN 车架号, serial number)."""

    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, related_name="products", verbose_name=_("member")
    )
    identifier = models.CharField(_("identifier"), max_length=64)
    name = models.CharField(_("product"), max_length=200, blank=True)
    purchased_on = models.DateField(_("purchase date"), null=True, blank=True)
    selling_organization = models.ForeignKey(
        Organization,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("selling dealer"),
    )
    owned_until = models.DateField(
        _("owned until"),
        null=True,
        blank=True,
        help_text="Exclusive; empty for the owner of today.",
    )
    fleet = models.ForeignKey(
        "Group",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="vehicles",
        verbose_name=_("fleet"),
        help_text="The company whose vehicle it is; the member drives it.",
    )

    class Meta:
        verbose_name = _("product")
        verbose_name_plural = _("products")
        constraints = [
            models.UniqueConstraint(
                fields=["identifier"],
                condition=Q(owned_until=None),
                name="members_product_one_owner",
            ),
            models.CheckConstraint(
                condition=Q(identifier__regex=r"^[A-Z0-9][A-Z0-9-]{2,63}$"),
                name="members_product_identifier_normalized",
            ),
        ]

    def __str__(self) -> str:
        return self.identifier


class ExternalNumber(models.Model):
    """What an organization's own system calls a member: its customer number."""

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, db_index=False, verbose_name=_("organization")
    )
    number = models.CharField(_("external number"), max_length=64)
    member = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="external_numbers")

    class Meta:
        verbose_name = _("external number")
        verbose_name_plural = _("external numbers")
        constraints = [
            # The number first: staff ask for it without knowing whose number it is.
            models.UniqueConstraint(
                fields=["number", "organization"], name="members_externalnumber_once"
            )
        ]

    def __str__(self) -> str:
        return self.number


class Tag(models.Model):
    """A word staff, imports and rules put on members. Switched off, never deleted."""

    name = models.CharField(_("name"), max_length=50, unique=True)
    is_active = models.BooleanField(_("in use"), default=True)

    class Meta:
        verbose_name = _("tag")
        verbose_name_plural = _("tags")
        constraints = [
            models.CheckConstraint(
                name="members_tag_is_a_word", condition=Q(name__regex=r"^[^,，;；\s][^,，;；]*$")
            ),
        ]

    def __str__(self) -> str:
        return self.name


class TagSource(models.TextChoices):
    HAND = "HAND", _("by hand")
    IMPORT = "IMPORT", _("by an import")
    RULE = "RULE", _("by a rule")


class Tagging(models.Model):
    """That a member has a tag. Which came and went, the audit trail tells."""

    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, related_name="taggings", db_index=False
    )
    tag = models.ForeignKey(Tag, on_delete=models.PROTECT, related_name="taggings", db_index=False)
    source = models.CharField(_("source"), max_length=6, choices=TagSource.choices)
    tagged_at = models.DateTimeField(_("since"))

    class Meta:
        verbose_name = _("tag of a member")
        verbose_name_plural = _("tags of members")
        constraints = [
            models.UniqueConstraint(fields=["member", "tag"], name="members_tagging_once")
        ]
        indexes = [models.Index(fields=["tag", "member"], name="members_tagging_by_tag")]

    def __str__(self) -> str:
        return f"{self.member_id} {self.tag_id}"


class ConsentPurpose(models.TextChoices):
    """What a member may agree to (docs/decisions/0015)."""

    # What the membership itself needs: it ends with the membership.
    SERVICE = "SERVICE", _("Membership and service")
    MARKETING = "MARKETING", _("Offers and news")
    PROFILING = "PROFILING", _("Offers that fit me")
    # With one partner, who is named.
    SHARING = "SHARING", _("Sharing with a partner")


class ConsentText(models.Model):
    """What members read when they agree. INSERT only: another text is another version."""

    purpose = models.CharField(_("purpose"), max_length=9, choices=ConsentPurpose.choices)
    version = models.PositiveSmallIntegerField(_("version"))
    texts = models.JSONField(_("text"))
    published_at = models.DateTimeField(_("published at"))
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        db_index=False,
        related_name="+",
        verbose_name=_("published by"),
    )

    class Meta:
        verbose_name = _("text of a consent")
        verbose_name_plural = _("texts of consents")
        constraints = [
            models.UniqueConstraint(
                fields=["purpose", "version"], name="members_consenttext_version_once"
            ),
            models.CheckConstraint(
                condition=Q(version__gt=0), name="members_consenttext_versions_from_one"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_purpose_display()} {self.version}"

    @property
    def text(self) -> str:
        return localized(self.texts)


class ConsentChannel(models.TextChoices):
    WEB = "WEB", _("The member's page")
    STORE = "STORE", _("Staff")
    PAPER = "PAPER", _("On paper")
    PHONE = "PHONE", _("By phone")
    API = "API", _("A dealer's system")
    IMPORT = "IMPORT", _("An import")
    MERGE = "MERGE", _("Joining of two members")


class Consent(models.Model):
    """
    A member's yes or no to a purpose. INSERT only: the latest counts, all of them are the history.
    """

    # Its index leads the one below; nobody asks by the others.
    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, related_name="consents", db_index=False
    )
    purpose = models.CharField(_("purpose"), max_length=9, choices=ConsentPurpose.choices)
    partner = models.ForeignKey(
        Organization,
        null=True,
        on_delete=models.PROTECT,
        db_index=False,
        related_name="+",
        verbose_name=_("partner"),
    )
    is_given = models.BooleanField(_("agreed"))
    # A foreign key of both sees that it is of the same purpose.
    text = models.ForeignKey(
        ConsentText,
        on_delete=models.PROTECT,
        db_index=False,
        related_name="+",
        verbose_name=_("text"),
        help_text=_("What the member read; of a withdrawal, what had been agreed to."),
    )
    at = models.DateTimeField(_("when"))
    channel = models.CharField(_("channel"), max_length=6, choices=ConsentChannel.choices)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        db_index=False,
        related_name="+",
        verbose_name=_("noted by"),
    )
    client = models.ForeignKey(
        ApiClient,
        null=True,
        on_delete=models.PROTECT,
        db_index=False,
        related_name="+",
        verbose_name=_("API client"),
    )

    class Meta:
        verbose_name = _("consent")
        verbose_name_plural = _("consents")
        constraints = [
            models.CheckConstraint(
                condition=Q(purpose="SHARING", partner__isnull=False)
                | (~Q(purpose="SHARING") & Q(partner=None)),
                name="members_consent_sharing_names_the_partner",
            ),
        ]
        indexes = [
            models.Index(
                fields=["member", "purpose", "partner", "-at", "-id"], name="members_consent_latest"
            )
        ]

    def __str__(self) -> str:
        return f"{self.member_id} {self.purpose} {self.is_given}"


class GroupKind(models.TextChoices):
    FAMILY = "FAMILY", _("Family")
    COMPANY = "COMPANY", _("Company")


class GroupRole(models.TextChoices):
    OWNER = "OWNER", _("Owner")
    ADMIN = "ADMIN", _("Administrator")
    MEMBER = "MEMBER", pgettext_lazy("role in a group", "Member")


class Group(models.Model):
    """Members who belong together. The name goes when the group ends: it may be a family's."""

    kind = models.CharField(_("kind"), max_length=7, choices=GroupKind.choices)
    name = models.CharField(_("name"), max_length=50, blank=True)
    founded_at = models.DateTimeField(_("founded at"))
    ended_at = models.DateTimeField(_("ended at"), null=True)

    class Meta:
        verbose_name = _("family or company")
        verbose_name_plural = _("families and companies")
        constraints = [
            models.CheckConstraint(
                name="members_group_has_a_name_while_it_lasts",
                condition=Q(ended_at=None, name__gt="") | Q(ended_at__isnull=False, name=""),
            ),
        ]
        indexes = [
            # The console's list.
            models.Index(fields=["-id"], condition=Q(ended_at=None), name="members_group_open"),
        ]

    def __str__(self) -> str:
        return self.name or f"#{self.pk}"


class GroupMember(models.Model):
    """A member's place in a group, as long as it lasted (docs/decisions/0019)."""

    group = models.ForeignKey(
        Group, on_delete=models.PROTECT, related_name="places", verbose_name=_("group")
    )
    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, related_name="places", verbose_name=_("member")
    )
    # The group's, which a foreign key of both sees to.
    kind = models.CharField(_("kind"), max_length=7, choices=GroupKind.choices)
    role = models.CharField(_("role"), max_length=6, choices=GroupRole.choices)
    joined_at = models.DateTimeField(_("joined at"))
    left_at = models.DateTimeField(_("left at"), null=True)
    shares = models.BooleanField(
        _("shares"), default=False, help_text="Others of the group may spend this member's points."
    )
    monthly_points = models.BigIntegerField(
        _("points a month at most"), null=True, help_text="Null: all there are."
    )

    class Meta:
        verbose_name = _("place in a group")
        verbose_name_plural = _("places in groups")
        constraints = [
            models.UniqueConstraint(
                fields=["member", "kind"],
                condition=Q(left_at=None),
                name="members_groupmember_one_of_a_kind",
            ),
            models.UniqueConstraint(
                fields=["member"], condition=Q(shares=True), name="members_groupmember_one_pool"
            ),
            models.UniqueConstraint(
                fields=["group"],
                condition=Q(left_at=None, role="OWNER"),
                name="members_groupmember_one_owner",
            ),
            models.CheckConstraint(
                condition=Q(left_at=None) | Q(shares=False),
                name="members_groupmember_who_left_shares_nothing",
            ),
            models.CheckConstraint(
                condition=Q(monthly_points=None) | Q(monthly_points__gt=0),
                name="members_groupmember_monthly_points",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.group_id} {self.member_id} {self.role}"


class GroupInvitation(models.Model):
    """
    Somebody was asked to join a group, by phone or member number. Whether anybody has that, the
    row does not tell who asked: without a member it waits and lapses like all others.
    """

    group = models.ForeignKey(Group, on_delete=models.PROTECT, related_name="invitations")
    member = models.ForeignKey(
        Member, null=True, on_delete=models.PROTECT, related_name="group_invitations"
    )
    # 138****5678, or a member number: what was typed, for whom it was typed by.
    asked = models.CharField(max_length=20)
    invited_at = models.DateTimeField(_("invited at"))
    lapses_at = models.DateTimeField(_("lapses at"))
    answered_at = models.DateTimeField(_("answered at"), null=True)

    class Meta:
        verbose_name = _("invitation to a group")
        verbose_name_plural = _("invitations to groups")
        constraints = [
            models.UniqueConstraint(
                fields=["group", "asked"],
                condition=Q(answered_at=None),
                name="members_groupinvitation_once_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.group_id} {self.asked}"


class ApplicationState(models.TextChoices):
    APPLIED = "APPLIED", _("To be decided")
    APPROVED = "APPROVED", _("Approved")
    REFUSED = "REFUSED", _("Refused")
    WITHDRAWN = "WITHDRAWN", _("Withdrawn")
    EXPIRED = "EXPIRED", _("Lapsed")


class RefusalReason(models.TextChoices):
    DETAILS = "DETAILS", _("What was told could not be confirmed")
    NO_CUSTOMER = "NO_CUSTOMER", _("No customer of ours")
    MEMBER_ALREADY = "MEMBER_ALREADY", _("A member already")
    NOT_ELIGIBLE = "NOT_ELIGIBLE", _("Does not meet the terms of the programme")
    OTHER = "OTHER", _("Another reason")


class Application(models.Model):
    """
    Somebody wants to become a member, where staff decide that. A trigger keeps what was asked for
    as it was and lets it end once; then only what is personal may still go from the row.
    """

    state = models.CharField(_("state"), max_length=9, choices=ApplicationState.choices)
    applied_at = models.DateTimeField(_("applied at"))
    channel = models.CharField(_("channel"), max_length=6, choices=ConsentChannel.choices)
    store = models.ForeignKey(
        Store,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("enrolling store"),
    )
    client = models.ForeignKey(
        ApiClient,
        null=True,
        on_delete=models.PROTECT,
        db_index=False,
        related_name="+",
        verbose_name=_("API client"),
    )
    phone = EncryptedTextField(_("phone"), blank=True)
    phone_index = models.BinaryField(max_length=32, null=True)
    # All that the enrollment needs, as `members.operations` writes it.
    told = EncryptedTextField(_("what was told"), blank=True)
    decided_at = models.DateTimeField(_("decided at"), null=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        db_index=False,
        related_name="+",
        verbose_name=_("decided by"),
    )
    reason = models.CharField(_("reason"), max_length=14, choices=RefusalReason.choices, blank=True)
    words = models.CharField(_("words to the applicant"), max_length=200, blank=True)
    # Whom an approval made; also of what the same person had asked for before.
    member = models.ForeignKey(
        Member,
        null=True,
        on_delete=models.PROTECT,
        related_name="applications",
        verbose_name=_("member"),
    )

    class Meta:
        verbose_name = _("membership application")
        verbose_name_plural = _("membership applications")
        permissions = [("decide_application", "Can approve and refuse membership applications")]
        constraints = [
            models.UniqueConstraint(
                fields=["phone_index"],
                condition=Q(state="APPLIED"),
                name="members_application_one_a_phone",
            ),
            models.CheckConstraint(
                condition=Q(state="APPLIED", decided_at=None, phone_index__isnull=False)
                | (~Q(state="APPLIED") & Q(decided_at__isnull=False)),
                name="members_application_ended_has_a_time",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["APPROVED", "REFUSED"], decided_by__isnull=False)
                | (~Q(state__in=["APPROVED", "REFUSED"]) & Q(decided_by=None)),
                name="members_application_decided_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(state="REFUSED", reason__gt="")
                | (~Q(state="REFUSED") & Q(reason="", words="")),
                name="members_application_refused_says_why",
            ),
            models.CheckConstraint(
                condition=~Q(state="APPROVED") | Q(member__isnull=False),
                name="members_application_approved_made_a_member",
            ),
        ]
        indexes = [
            # The console's list: what waits, longest first (PostgreSQL puts nulls before the
            # latest day), then what has ended.
            models.Index(fields=["-decided_at", "id"], name="members_application_list"),
            models.Index(
                fields=["phone_index", "-id"],
                condition=Q(phone_index__isnull=False),
                name="members_application_of_phone",
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def number(self) -> str:
        return application_number(self.pk)

    @property
    def is_waiting(self) -> bool:
        return self.state == ApplicationState.APPLIED


class DataExport(models.Model):
    """All we know of a member as one file, for the member alone. Goes after a week."""

    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, related_name="data_exports", verbose_name=_("member")
    )
    asked_at = models.DateTimeField(_("asked at"))
    language = models.CharField(_("language"), max_length=8, choices=settings.LANGUAGES)
    made_at = models.DateTimeField(_("made at"), null=True)
    # A ZIP in base64: sealed like every other personal value.
    content = EncryptedTextField(_("content"), blank=True)

    class Meta:
        verbose_name = _("copy of a member's data")
        verbose_name_plural = _("copies of members' data")
        constraints = [
            # Who asks again before it is there gets the same one.
            models.UniqueConstraint(
                fields=["member"],
                condition=Q(made_at=None),
                name="members_dataexport_one_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.member_id} {self.asked_at:%Y-%m-%d}"


class Erasure(models.Model):
    """
    A member's wish to be forgotten: waits for its day, is taken back, or is done.

    Once it is done, the row is all that says so; whose it was, only the member number tells.
    """

    member = models.ForeignKey(
        Member,
        on_delete=models.PROTECT,
        related_name="erasures",
        verbose_name=_("member"),
    )
    asked_at = models.DateTimeField(_("asked at"))
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        db_index=False,
        related_name="+",
        verbose_name=_("asked by"),
    )
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    due_on = models.DateField(
        _("due on"),
        help_text=_("The first minutes of this day erase; until then it can be taken back."),
    )
    withdrawn_at = models.DateTimeField(_("taken back at"), null=True)
    erased_at = models.DateTimeField(_("erased at"), null=True)

    class Meta:
        verbose_name = _("erasure")
        verbose_name_plural = _("erasures")
        constraints = [
            models.UniqueConstraint(
                fields=["member"],
                condition=Q(withdrawn_at=None),
                name="members_erasure_one_a_member",
            ),
            models.CheckConstraint(
                condition=Q(withdrawn_at=None) | Q(erased_at=None),
                name="members_erasure_taken_back_or_done",
            ),
        ]
        indexes = [
            # The night asks what is due, and looks again at what it did lately.
            models.Index(
                fields=["due_on"],
                condition=Q(withdrawn_at=None),
                name="members_erasure_due",
            )
        ]

    def __str__(self) -> str:
        return f"{self.member_id} {self.due_on}"


class Fingerprint(models.Model):
    """
    What a member may be recognized by as somebody who is here already: keyed hashes, of which
    nothing can be read. Made by the night; gone when the profile changes.
    """

    member = models.OneToOneField(
        Member, on_delete=models.PROTECT, primary_key=True, related_name="fingerprint"
    )
    id_number = models.BinaryField(max_length=32, null=True)
    email = models.BinaryField(max_length=32, null=True)
    # Name, birthday and the last four digits of the phone.
    person = models.BinaryField(max_length=32, null=True)

    class Meta:
        verbose_name = _("fingerprint")
        verbose_name_plural = _("fingerprints")

    def __str__(self) -> str:
        return str(self.member_id)


class DuplicateReason(models.TextChoices):
    ID_NUMBER = "ID_NUMBER", _("Same ID number")
    EMAIL = "EMAIL", _("Same e-mail")
    PERSON = "PERSON", _("Same name, birthday and last digits of the phone")
    PRODUCT = "PRODUCT", _("Same name, and owners of the same product")


class DuplicateState(models.TextChoices):
    OPEN = "OPEN", _("To be judged")
    NOT_SAME = "NOT_SAME", _("Not the same person")


class Duplicate(models.Model):
    """Two members who may be one person. What staff said of a pair stays."""

    one = models.ForeignKey(
        Member, on_delete=models.PROTECT, db_index=False, related_name="+", verbose_name=_("member")
    )
    other = models.ForeignKey(
        Member, on_delete=models.PROTECT, related_name="+", verbose_name=_("other member")
    )
    reasons = ArrayField(models.CharField(max_length=9, choices=DuplicateReason.choices))
    state = models.CharField(_("state"), max_length=8, choices=DuplicateState.choices)
    found_at = models.DateTimeField(_("found at"))
    judged_at = models.DateTimeField(_("judged at"), null=True)
    judged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        db_index=False,
        related_name="+",
        verbose_name=_("judged by"),
    )

    class Meta:
        verbose_name = _("possible duplicate")
        verbose_name_plural = _("possible duplicates")
        constraints = [
            models.UniqueConstraint(fields=["one", "other"], name="members_duplicate_pair_once"),
            models.CheckConstraint(
                condition=Q(one__lt=models.F("other")), name="members_duplicate_in_order"
            ),
            models.CheckConstraint(
                condition=Q(state="OPEN", judged_at=None, judged_by=None)
                | (~Q(state="OPEN") & Q(judged_at__isnull=False, judged_by__isnull=False)),
                name="members_duplicate_judged_by_somebody",
            ),
        ]
        indexes = [
            models.Index(fields=["id"], condition=Q(state="OPEN"), name="members_duplicate_waiting")
        ]

    def __str__(self) -> str:
        return f"{self.one_id} {self.other_id}"

    @property
    def both(self) -> tuple[Member, Member]:
        return self.one, self.other


class Merge(models.Model):
    """
    Two members were one person: `member` was given up for `into`. What came over stands in its
    parts, and goes back when it is undone.
    """

    member = models.ForeignKey(
        Member,
        on_delete=models.PROTECT,
        related_name="merges",
        verbose_name=_("given up"),
    )
    into = models.ForeignKey(
        Member, on_delete=models.PROTECT, related_name="+", verbose_name=_("remains")
    )
    status_before = models.CharField(
        _("status before"), max_length=14, choices=MemberStatus.choices
    )
    merged_at = models.DateTimeField(_("joined at"))
    merged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        db_index=False,
        related_name="+",
        verbose_name=_("joined by"),
    )
    reason = models.CharField(_("reason"), max_length=500)
    unmerged_at = models.DateTimeField(_("undone at"), null=True)
    unmerged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        db_index=False,
        related_name="+",
        verbose_name=_("undone by"),
    )

    class Meta:
        verbose_name = _("joining of two members")
        verbose_name_plural = _("joinings of two members")
        constraints = [
            models.UniqueConstraint(
                fields=["member"],
                condition=Q(unmerged_at=None),
                name="members_merge_once_at_a_time",
            ),
            models.CheckConstraint(
                condition=~Q(member=models.F("into")), name="members_merge_of_two"
            ),
            models.CheckConstraint(
                condition=Q(unmerged_at=None, unmerged_by=None)
                | Q(unmerged_at__isnull=False, unmerged_by__isnull=False),
                name="members_merge_undone_by_somebody",
            ),
            models.CheckConstraint(
                condition=~Q(status_before="CLOSED"), name="members_merge_of_who_is_here"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.member_id} → {self.into_id}"


class MergePart(models.Model):
    """
    One thing a merge moved or added, by the row it is. INSERT only, and nothing of a person in it.
    """

    # Its index leads the one below.
    merge = models.ForeignKey(Merge, on_delete=models.PROTECT, related_name="parts", db_index=False)
    # `product`, `tag`, `consent` …: the rooms' own words (`members.operations.note_parts`).
    kind = models.CharField(max_length=20)
    row = models.BigIntegerField(help_text="Primary key of the row that moved or was added.")

    class Meta:
        verbose_name = _("part of a joining")
        verbose_name_plural = _("parts of joinings")
        constraints = [
            models.UniqueConstraint(fields=["merge", "kind", "row"], name="members_mergepart_once")
        ]

    def __str__(self) -> str:
        return f"{self.merge_id} {self.kind} {self.row}"


class Replaced(models.Model):
    """What stood in a field of the survivor before a merge; goes when the merge is undone."""

    merge = models.ForeignKey(
        Merge, on_delete=models.PROTECT, related_name="replaced", db_index=False
    )
    # A field of Member, or `attribute:` and its code.
    field = models.CharField(max_length=60)
    value = EncryptedTextField(help_text="JSON: a list of the value, empty if there was none.")

    class Meta:
        verbose_name = _("replaced value")
        verbose_name_plural = _("replaced values")
        constraints = [
            models.UniqueConstraint(fields=["merge", "field"], name="members_replaced_once")
        ]

    def __str__(self) -> str:
        return f"{self.merge_id} {self.field}"
