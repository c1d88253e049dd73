from django.conf import settings
from django.urls import URLPattern, path

from messaging.views import InboxPage, SandboxCodesPage

app_name = "messaging"
urlpatterns: list[URLPattern] = [path("messages/", InboxPage.as_view(), name="inbox")]
if settings.SANDBOX:
    urlpatterns.append(path("sandbox/codes/", SandboxCodesPage.as_view(), name="sandbox_codes"))
