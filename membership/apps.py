from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class MembershipConfig(AppConfig):
    default = True
    name = "membership"
    default_auto_field = "django.db.models.BigAutoField"


class StaffConsoleConfig(admin_apps.AdminConfig):
    """Django's admin on our one site."""

    default = False
    default_site = "membership.admin.StaffConsole"
