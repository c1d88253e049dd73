"""Members who may be one person: the evidence side by side, and what staff say of it (M10)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.timezone import localdate
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.generic import FormView

from common.errors import DomainError
from common.forms import ReasonForm
from common.staff import acting
from members import duplicates, masking, operations, phones
from members.models import Duplicate, DuplicateReason, Member, Product
from membership.console import ConsolePage

SHOWN_MAX = 50
CHANGE = "members.change_duplicate"
# Which lines of the comparison a reason is about.
ABOUT = {
    DuplicateReason.ID_NUMBER: {"id_number"},
    DuplicateReason.EMAIL: {"email"},
    DuplicateReason.PERSON: {"name", "birthday", "phone"},
    DuplicateReason.PRODUCT: {"name", "products"},
}


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that is known of both, masked. `is_evidence`: the pair was found by it."""

    label: Any
    one: str
    other: str
    is_evidence: bool


@dataclass(frozen=True, slots=True)
class Pair:
    duplicate: Duplicate
    reasons: list[str]
    lines: list[Line]


class DuplicatesPage(ConsolePage, FormView):
    """The pairs that wait, the oldest first; who was joined already waits no more."""

    template_name = "console/duplicates.html"
    permission_required: Any = "members.view_duplicate"
    title = _("Possible duplicates")
    form_class = ReasonForm

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        waiting = list(duplicates.waiting().order_by("pk")[: SHOWN_MAX + 1])
        shown = waiting[:SHOWN_MAX]
        products = owned(shown)
        may = self.request.user.has_perm
        return super().get_context_data(
            pairs=[pair(each, products) for each in shown],
            is_cut_off=len(waiting) > SHOWN_MAX,
            shown_max=SHOWN_MAX,
            may_change=may(CHANGE),
            may_join=may("points.merge_accounts") and may("members.view_member"),
            **context,
        )

    def post(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.has_perm(CHANGE):
            return self.handle_no_permission()
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        pair_id = self.request.POST.get("pair", "")
        try:
            operations.judge_not_same(
                duplicate_id=int(pair_id) if pair_id.isdecimal() and len(pair_id) < 19 else 0,
                at=timezone.now(),
                by=acting(self.request),
                reason=form.cleaned_data["reason"],
            )
        except DomainError as refusal:
            messages.error(self.request, refusal.sentence)
        else:
            messages.success(self.request, gettext("Noted. This pair is not shown again."))
        return HttpResponseRedirect(self.request.path)

    def form_invalid(self, form: Any) -> HttpResponse:
        messages.error(self.request, gettext("Say why."))
        return HttpResponseRedirect(self.request.path)


def owned(pairs: list[Duplicate]) -> dict[int, list[str]]:
    """The identifiers of all products each has or had, in one query."""
    ids = {member_id for each in pairs for member_id in (each.one_id, each.other_id)}
    found: dict[int, list[str]] = {}
    for member_id, identifier in (
        Product.objects.filter(member_id__in=ids)
        .order_by("pk")
        .values_list("member_id", "identifier")
    ):
        found.setdefault(member_id, []).append(identifier)
    return found


def pair(of: Duplicate, products: dict[int, list[str]]) -> Pair:
    reasons = [DuplicateReason(each) for each in of.reasons]
    evidence = set[str]().union(*(ABOUT[reason] for reason in reasons))
    one, other = dict(_known(of.one, products)), dict(_known(of.other, products))
    lines = [
        Line(LABELS[name], one[name] or "–", other[name] or "–", name in evidence)
        for name in LABELS
    ]
    return Pair(of, [str(reason.label) for reason in reasons], lines)


LABELS = {
    "name": _("Name"),
    "birthday": _("Birthday"),
    "phone": _("Phone"),
    "email": _("E-mail"),
    "id_number": _("ID number"),
    "products": _("Products"),
    "status": _("Status"),
    "joined": _("Joined at"),
}


def _known(of: Member, products: dict[int, list[str]]) -> Iterator[tuple[str, str]]:
    yield "name", masking.name(of.name)
    yield "birthday", date_format(of.birthday) if of.birthday else ""
    yield "phone", phones.masked(of.phone)
    yield "email", masking.email(of.email)
    yield "id_number", masking.tail(of.id_number)
    yield "products", "、".join(map(masking.product, products.get(of.pk, [])))
    yield "status", of.get_status_display()
    yield "joined", date_format(localdate(of.joined_at))


URLS: dict[str, tuple[str, Any]] = {"duplicates": ("duplicates/", DuplicatesPage)}
