from unfold.sites import UnfoldAdminSite


class StaffConsole(UnfoldAdminSite):
    """The one admin site, grouped by what staff do (see `membership.console`)."""
