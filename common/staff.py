"""
What every room's admin is made of.

Lists never count a whole table; nothing is deleted here (things are switched off); every change
leaves an audit record in its transaction; what the ledger's kind of tables hold can only be read.
"""

from functools import cached_property
from typing import Any

from django.core.paginator import Paginator
from django.db import models, transaction
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.views import ChangeList

from common import audit
from common.models import User


def acting(request: HttpRequest) -> User:
    """Who is at the console: operations want a name. Its pages ask for a login first."""
    assert isinstance(request.user, User), "the console's pages ask for a login"
    return request.user


# Whoever leafs further than this should search instead.
COUNTED_MAX = 1000


class BoundedPaginator(Paginator):
    """Counts no further than staff leaf through, so a list of millions opens like one of ten."""

    template_name = "console/pagination.html"
    object_list: models.QuerySet

    @cached_property
    def count(self) -> int:
        return self.object_list.order_by()[:COUNTED_MAX].count()

    @property
    def is_cut_off(self) -> bool:
        return self.count == COUNTED_MAX


class UncountedList(ChangeList):
    """A list that does not offer to show all."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.full_result_count = self.result_count


class StaffAdmin(ModelAdmin):
    """A list and a form for reference data, such as stores."""

    show_full_result_count = False
    list_per_page = 50
    list_filter_submit = False
    actions: Any = None
    paginator: Any = BoundedPaginator
    compressed_fields = True
    warn_unsaved_form = True

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return UncountedList

    def get_ordering(self, request: HttpRequest) -> list[str]:
        # Newest first is what the primary key's index answers without sorting.
        return list(self.ordering or ["-pk"])

    # One trail: Django's own log of admin actions is not written.
    def log_addition(self, request: HttpRequest, obj: models.Model, message: Any) -> None:
        self._record(request, obj, "created", message)

    def log_change(self, request: HttpRequest, obj: models.Model, message: Any) -> None:
        self._record(request, obj, "changed", message)

    def _record(self, request: HttpRequest, obj: models.Model, verb: str, message: Any) -> None:
        with transaction.atomic():
            audit.record(
                action=f"{obj._meta.model_name}.{verb}",
                target=str(obj)[:128],
                by=acting(request),
                details={"id": obj.pk, "message": message},
            )


class ReadOnlyAdmin(StaffAdmin):
    """A list and a page for what only operations write."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False
