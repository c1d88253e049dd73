"""What the console's frame shows: the navigation, which environment this is, the first page."""

from collections import Counter
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.db.models import Value
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse, reverse_lazy
from django.utils import timezone
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop, ngettext_lazy
from django.views.generic.base import ContextMixin

from common import approvals, events
from common.models import AuditRecord, JobRun
from common.night_queries import see
from members import applications, reach
from membership import dealers
from points.models import Activity

LATEST = 8
# What may wait for a decision.
APPROVALS, APPLICATIONS = "approvals", "applications"


class ConsolePage(PermissionRequiredMixin, ContextMixin):
    """A page of the console that is no list or form of one table."""

    request: HttpRequest
    raise_exception = True
    title: Any = ""

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        self.request.current_app = admin.site.name
        frame = {**admin.site.each_context(self.request), "title": self.title}
        return super().get_context_data(**{**frame, **context})


def environment(_request: HttpRequest) -> list[Any]:
    return [_("Sandbox"), "warning"] if settings.SANDBOX else [_("Production"), "danger"]


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The sidebar, by what staff do. A group nobody may enter is not shown."""
    return [
        {
            "items": [
                {"title": _("Start"), "icon": "home", "link": reverse_lazy("admin:index")},
                {
                    **_list("fact_check", _("Approvals"), "common", "approval"),
                    "badge": waiting(request)[APPROVALS],
                },
            ]
        },
        {
            "title": _("Members"),
            "separator": True,
            "items": [
                _list("person_search", _("Find a member"), "members", "member"),
                {
                    **_list("how_to_reg", _("Membership applications"), "members", "application"),
                    "badge": waiting(request)[APPLICATIONS],
                },
                _page(
                    "upgrade",
                    _("Proposed upgrades"),
                    "admin:tier-proposals",
                    "tiers.view_proposal",
                ),
                _page(
                    "military_tech",
                    _("Tier decisions"),
                    "admin:tier-decisions",
                    "tiers.view_decision",
                ),
                _page(
                    "group_add",
                    _("Imports of members"),
                    "admin:files-of-members",
                    "campaigns.view_memberimport",
                ),
                _page("mail", _("Invitations"), "admin:invitations", "campaigns.view_memberimport"),
                _page("groups_2", _("Segments"), "admin:segments", "campaigns.view_segment"),
                _page(
                    "join_inner",
                    _("Possible duplicates"),
                    "admin:duplicates",
                    "members.view_duplicate",
                ),
                _page("redeem", _("Rights of members"), "admin:rights", "benefits.view_right"),
                _page(
                    "fact_check",
                    _("Benefits promised and kept"),
                    "admin:rights-report",
                    "benefits.view_right",
                ),
                _list("diversity_3", _("Families and companies"), "members", "group"),
                _list("label", _("Tags"), "members", "tag"),
                _list("list_alt", _("Attributes of members"), "members", "attribute"),
                _list("unsubscribe", _("Failed deliveries"), "messaging", "delivery"),
                _list("handshake", _("Texts of consents"), "members", "consenttext"),
                _list("text_snippet", _("Wordings of messages"), "messaging", "wording"),
            ],
        },
        {
            "title": _("Points"),
            "separator": True,
            "items": [
                _page("receipt_long", _("Entries"), "admin:entries", "points.view_entry"),
                _list("shopping_bag", _("Activities"), "points", "activity"),
                _page(
                    "library_add", _("Points for many"), "admin:grants", "points.view_grantbatch"
                ),
                _page(
                    "confirmation_number",
                    _("Coupons"),
                    "admin:coupons",
                    "benefits.view_couponbatch",
                ),
                _page("redeem", _("Prize draws"), "admin:draws", "benefits.view_draw"),
            ],
        },
        {
            "title": _("Points shop"),
            "separator": True,
            "items": [
                _page("storefront", _("Catalogue"), "admin:items", "benefits.view_item"),
                _list("local_shipping", _("Orders"), "benefits", "order"),
                _list("category", _("Categories"), "benefits", "category"),
            ],
        },
        {
            "title": _("Stores and partners"),
            "separator": True,
            "items": [
                _list("corporate_fare", _("Organizations"), "partners", "organization"),
                _list("storefront", _("Stores"), "partners", "store"),
                _list("badge", _("Dealers of logins"), "partners", "placement"),
                _list("map", _("Regions"), "partners", "region"),
                _list("key", _("API clients"), "partners", "apiclient"),
            ],
        },
        {
            "title": _("Rules"),
            "separator": True,
            "items": [
                _page(
                    "menu_book",
                    _("Rulebook versions"),
                    "admin:rulebooks",
                    "programme.view_version",
                ),
                _page("image", _("Logo"), "admin:logo", "programme.add_logo"),
                _list("rule", _("Earning rules"), "campaigns", "earningrule"),
                _page(
                    "calendar_month",
                    _("Marketing campaigns"),
                    "admin:campaigns",
                    "campaigns.view_campaign",
                ),
                _page("lab_research", _("Research"), "admin:research", "benefits.view_candidate"),
            ],
        },
        {
            "title": _("System"),
            "separator": True,
            "items": [
                _list("history", _("Audit records"), "common", "auditrecord"),
                _list("schedule", _("Nightly jobs"), "common", "jobrun"),
                _list("outbox", _("Events"), "common", "outboxevent"),
                _list("upload_file", _("Imports of purchases"), "campaigns", "importrun"),
                _list("badge", _("Staff logins"), "common", "user"),
                _list("groups", _("Roles"), "auth", "group"),
            ],
        },
    ]


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The first page: the search for a member, and what is cheap to know however much there is."""
    limited = reach.of(request.user).is_limited

    def may(permission: str) -> bool:
        """Of the figures here none are of one dealer only."""
        return request.user.has_perm(permission) and not limited

    if may("common.view_jobrun"):
        latest_runs = JobRun.objects.order_by("-day", "pk")[:LATEST]
        context["nights"] = see(latest_runs, now=timezone.now())
    if may("common.view_outboxevent"):
        context["backlog"] = events.backlog()
    if may("points.view_activity"):
        latest = Activity.objects.select_related("store", "member").order_by("-pk")[:LATEST]
        context["activities"] = latest
    if may("common.view_auditrecord"):
        latest_deeds = AuditRecord.objects.select_related("actor").order_by("-pk")[:LATEST]
        context["audit_records"] = latest_deeds
    return {
        **context,
        "today": localdate(),
        "may_search": request.user.has_perm("members.view_member"),
        "waiting_approvals": waiting(request)[APPROVALS],
        "waiting_applications": waiting(request)[APPLICATIONS],
    }


def waiting(request: HttpRequest) -> Counter[str]:
    """
    How many requests for approval and applications wait for this login's decision, counted no
    further than makes a difference. Asked once for a page, both in one query.
    """
    kept = vars(request)
    if "waiting" not in kept:
        asked = approvals.waiting_for(request.user)[: approvals.WAITING_COUNTED]
        applied = applications.waiting_for(request.user, on=localdate())
        applied = applied.order_by()[: applications.WAITING_COUNTED]
        kept["waiting"] = Counter(
            asked.values_list(Value(APPROVALS), flat=True).union(
                applied.values_list(Value(APPLICATIONS), flat=True), all=True
            )
        )
    return kept["waiting"]


def locked_out(request: HttpRequest, *_asked: Any) -> HttpResponse:
    """The answer to a login after too many wrong passwords (django-axes)."""
    if not request.path.startswith(reverse("admin:index")):
        return render(request, "429.html", status=HTTPStatus.TOO_MANY_REQUESTS)
    context = {**admin.site.each_context(request), "title": _("Login locked")}
    status = HTTPStatus.TOO_MANY_REQUESTS
    return render(request, "console/locked_out.html", context, status=status)


def _list(icon: str, title: Any, app: str, model: str) -> dict[str, Any]:
    return _page(icon, title, f"admin:{app}_{model}_changelist", f"{app}.view_{model}")


def _page(icon: str, title: Any, name: str, permission: str) -> dict[str, Any]:
    return {
        "title": title,
        "icon": icon,
        "link": reverse(name),
        "permission": lambda request: (
            request.user.has_perm(permission)
            and dealers.is_open(request.user, name.removeprefix("admin:"))
        ),
    }


# Said by packages that have no words of their own in our languages, and what is data: the actions
# of audit records, the names of roles, and what is done once and no job of the night. Named here,
# they are found by those who translate.
SAID_BY_OTHERS = [
    # Django 5.2 changed its own words and not its simplified Chinese.
    ngettext_lazy(
        "This password is too short. It must contain at least %d character.",
        "This password is too short. It must contain at least %d characters.",
    ),
    gettext_noop("Welcome back to"),
    gettext_noop("Return to site"),
    gettext_noop("Type to search"),
    gettext_noop("Filters"),
    gettext_noop("Reset filters"),
    gettext_noop("Clear all filters"),
    gettext_noop("Apply Filters"),
    gettext_noop("Select value"),
    gettext_noop("No results found"),
    gettext_noop("This page yielded into no results. Create a new item or reset your filters."),
    gettext_noop("Add new item"),
    gettext_noop("Select all rows"),
    gettext_noop("Select action"),
    gettext_noop("Run"),
    gettext_noop("Light"),
    gettext_noop("Dark"),
    gettext_noop("System"),
    gettext_noop("Value"),
    gettext_noop("Choose file to upload"),
    gettext_noop("Select record"),
    gettext_noop(
        "Raw passwords are not stored, so there is no way to see this "
        "user’s password, but you can change the password using "
        '<a href="{}" class="text-primary-600 dark:text-primary-500">this form</a>.'
    ),
    gettext_noop("member.enrolled"),
    gettext_noop("member.activated"),
    gettext_noop("application.made"),
    gettext_noop("application.approved"),
    gettext_noop("application.refused"),
    gettext_noop("application.withdrawn"),
    gettext_noop("application.expired"),
    gettext_noop("member.admitted"),
    gettext_noop("member.email_confirmed"),
    gettext_noop("member.password_set"),
    gettext_noop("member.corrected"),
    gettext_noop("member.revealed"),
    gettext_noop("member.met"),
    gettext_noop("right.picture_seen"),
    gettext_noop("right.booked"),
    gettext_noop("right.delivered"),
    gettext_noop("right.undone"),
    gettext_noop("right.failed"),
    gettext_noop("right.compensated"),
    gettext_noop("points.bill_held"),
    gettext_noop("points.bill_paid"),
    gettext_noop("points.bill_dropped"),
    gettext_noop("points.bill_undone"),
    gettext_noop("member.frozen"),
    gettext_noop("member.unfrozen"),
    gettext_noop("member.closed"),
    gettext_noop("group.founded"),
    gettext_noop("group.renamed"),
    gettext_noop("group.joined"),
    gettext_noop("group.left"),
    gettext_noop("group.removed"),
    gettext_noop("group.role_set"),
    gettext_noop("group.handed_over"),
    gettext_noop("group.dissolved"),
    gettext_noop("group.shared"),
    gettext_noop("group.unshared"),
    gettext_noop("points.adjusted"),
    gettext_noop("consenttext.published"),
    gettext_noop("member.consents_noted"),
    gettext_noop("member.export_requested"),
    gettext_noop("member.exported"),
    gettext_noop("member.erasure_requested"),
    gettext_noop("member.erasure_withdrawn"),
    gettext_noop("member.erased"),
    gettext_noop("points.redemption_cancelled"),
    gettext_noop("points.reinstated"),
    gettext_noop("points.transferred"),
    gettext_noop("points.hold_released"),
    gettext_noop("points.extended"),
    gettext_noop("member.merged"),
    gettext_noop("member.unmerged"),
    gettext_noop("points.merged"),
    gettext_noop("points.unmerged"),
    gettext_noop("points.grants_started"),
    gettext_noop("points.grants_discarded"),
    gettext_noop("coupon_batch.drafted"),
    gettext_noop("coupon_batch.draft_changed"),
    gettext_noop("coupon_batch.started"),
    gettext_noop("coupon_batch.ended"),
    gettext_noop("coupon_batch.revoked"),
    gettext_noop("coupon_batch.exported"),
    gettext_noop("coupon_batch.list_read"),
    gettext_noop("coupon_batch.loaded"),
    gettext_noop("coupon_batch.issued"),
    gettext_noop("coupon.issued"),
    gettext_noop("coupon.revoked"),
    gettext_noop("coupon.undone"),
    gettext_noop("coupon.conflict"),
    gettext_noop("draw.created"),
    gettext_noop("draw.saved"),
    gettext_noop("draw.published"),
    gettext_noop("draw.closed"),
    gettext_noop("tier.manual"),
    gettext_noop("tier.manual_end"),
    gettext_noop("tier.extend"),
    gettext_noop("tier.proposal_approved"),
    gettext_noop("tier.proposal_rejected"),
    gettext_noop("campaign.evaluated"),
    gettext_noop("duplicate.judged"),
    gettext_noop("segment.created"),
    gettext_noop("segment.changed"),
    gettext_noop("segment.kept"),
    gettext_noop("segment.switched_off"),
    gettext_noop("segment.switched_on"),
    gettext_noop("segment.exported"),
    gettext_noop("memberimport.handed_in"),
    gettext_noop("memberimport.started"),
    gettext_noop("memberimport.discarded"),
    gettext_noop("memberimport.rows_downloaded"),
    gettext_noop("members.invited"),
    gettext_noop("version.published"),
    gettext_noop("logo.set"),
    gettext_noop("draft.started"),
    gettext_noop("draft.saved"),
    gettext_noop("draft.compared"),
    gettext_noop("draft.discarded"),
    gettext_noop("approval.requested"),
    gettext_noop("approval.approved"),
    gettext_noop("approval.rejected"),
    gettext_noop("approval.withdrawn"),
    gettext_noop("job.run_again"),
    gettext_noop("event.retried"),
    gettext_noop("delivery.retried"),
    gettext_noop("wording.created"),
    gettext_noop("wording.changed"),
    gettext_noop("wording.tested"),
    gettext_noop("candidate.created"),
    gettext_noop("candidate.changed"),
    gettext_noop("candidate.adopted"),
    gettext_noop("candidate.rejected"),
    gettext_noop("candidate.linked"),
    gettext_noop("candidate.assessed"),
    gettext_noop("survey.created"),
    gettext_noop("survey.changed"),
    gettext_noop("survey.published"),
    gettext_noop("survey.closed"),
    gettext_noop("evaluation.created"),
    gettext_noop("evaluation.changed"),
    gettext_noop("apiclient.secret_issued"),
    gettext_noop("apiclient.changed"),
    gettext_noop("apiclient.created"),
    gettext_noop("store.created"),
    gettext_noop("store.changed"),
    gettext_noop("organization.created"),
    gettext_noop("organization.changed"),
    gettext_noop("region.created"),
    gettext_noop("region.changed"),
    gettext_noop("secondfactor.set"),
    gettext_noop("secondfactor.recovered"),
    gettext_noop("secondfactor.recovery_renewed"),
    gettext_noop("secondfactor.reset"),
    gettext_noop("user.created"),
    gettext_noop("user.changed"),
    gettext_noop("membership.demo"),
    gettext_noop("administrator"),
    gettext_noop("programme manager"),
    gettext_noop("campaign manager"),
    gettext_noop("finance"),
    gettext_noop("customer care"),
    gettext_noop("dealer manager"),
    gettext_noop("store clerk"),
    gettext_noop("auditor"),
]
