"""The one admin site. What its frame shows stands in `membership.console`."""

from typing import Any

from django.conf import settings
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _
from unfold.sites import UnfoldAdminSite


class StaffConsole(UnfoldAdminSite):
    """Grouped by what staff do. Pages that mix rooms come before those of single tables."""

    site_url = "/"
    index_title = _("Start")
    index_template = "console/index.html"
    enable_nav_sidebar = True

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Take only what our rooms register: packages bring pages that staff have no use for."""
        if admin_class is not None and admin_class.__module__.split(".")[0] in settings.ROOMS:
            super().register(model_or_iterable, admin_class, **options)

    def extra_urls(self) -> list[URLPattern]:
        from membership import (  # noqa: PLC0415 - they reach for this site, which is being made
            activity_page,
            campaigns_page,
            drafts_page,
            entries_page,
            grants_page,
            invitations_page,
            member_imports_page,
            member_page,
            rulebook_page,
            segments_page,
            tier_page,
        )

        views = {
            **member_page.URLS,
            **entries_page.URLS,
            **grants_page.URLS,
            **member_imports_page.URLS,
            **invitations_page.URLS,
            **activity_page.URLS,
            **rulebook_page.URLS,
            **drafts_page.URLS,
            **tier_page.URLS,
            **campaigns_page.URLS,
            **segments_page.URLS,
        }
        return [
            path(route, self.admin_view(view.as_view()), name=name)
            for name, (route, view) in views.items()
        ]
