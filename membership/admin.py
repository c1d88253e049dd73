"""The one admin site. What its frame shows stands in `membership.console`."""

from typing import Any

from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _
from unfold.sites import UnfoldAdminSite

from membership import dealers, second_factor


class StaffConsole(UnfoldAdminSite):
    """Grouped by what staff do. Pages that mix rooms come before those of single tables."""

    site_url = "/"
    index_title = _("Start")
    index_template = "console/index.html"
    enable_nav_sidebar = True

    def has_permission(self, request: HttpRequest) -> bool:
        """Closed until the second factor is proven, as to whoever is not logged in."""
        return super().has_permission(request) and not second_factor.missing(request)

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if super().has_permission(request) and second_factor.missing(request):
            target = request.GET.get(REDIRECT_FIELD_NAME, "")
            return redirect_to_login(target, reverse("admin:second_factor"))
        return super().login(request, extra_context)

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:  # noqa: FBT001, FBT002 - Django's hook
        """Limited to a dealer's own members for who works for one, and only then opened."""
        return super().admin_view(dealers.guard(view), cacheable)

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Take only what our rooms register: packages bring pages that staff have no use for."""
        if admin_class is not None and admin_class.__module__.split(".")[0] in settings.ROOMS:
            super().register(model_or_iterable, admin_class, **options)

    def extra_urls(self) -> list[URLPattern]:
        from membership import (  # noqa: PLC0415 - they reach for this site, which is being made
            activity_page,
            campaigns_page,
            coupon_costs_page,
            coupon_lists_page,
            coupons_page,
            drafts_page,
            draws_page,
            duplicates_page,
            entries_page,
            grants_page,
            invitations_page,
            items_page,
            logo_page,
            matrix_page,
            member_imports_page,
            member_page,
            research_pages,
            rights_page,
            rights_report_page,
            rulebook_page,
            second_factor_pages,
            segments_page,
            tier_page,
        )

        views = {
            **member_page.URLS,
            **entries_page.URLS,
            **coupons_page.URLS,
            **coupon_costs_page.URLS,
            **coupon_lists_page.URLS,
            **draws_page.URLS,
            **grants_page.URLS,
            **member_imports_page.URLS,
            **invitations_page.URLS,
            **activity_page.URLS,
            **logo_page.URLS,
            **rulebook_page.URLS,
            # Before the pages of any part of a draft.
            **matrix_page.URLS,
            **drafts_page.URLS,
            **tier_page.URLS,
            **rights_page.URLS,
            **rights_report_page.URLS,
            **campaigns_page.URLS,
            **segments_page.URLS,
            **duplicates_page.URLS,
            **research_pages.URLS,
            **items_page.URLS,
            **second_factor_pages.BEHIND,
        }
        return second_factor_pages.URLS + [
            path(route, self.admin_view(view.as_view()), name=name)
            for name, (route, view) in views.items()
        ]
