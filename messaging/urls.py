from django.conf import settings
from django.urls import URLPattern, path

from messaging.views import (
    InboxPage,
    SandboxCodesPage,
    SettingsPage,
    SmsReceipts,
    StopPage,
)
from messaging.wechat_views import BackPage, BindPage, UnbindPage

app_name = "messaging"
urlpatterns: list[URLPattern] = [
    path("messages/", InboxPage.as_view(), name="inbox"),
    path("messages/settings/", SettingsPage.as_view(), name="settings"),
    path("messages/wechat/", BindPage.as_view(), name="wechat"),
    path("messages/wechat/back/", BackPage.as_view(), name="wechat_back"),
    path("messages/wechat/unbind/", UnbindPage.as_view(), name="wechat_unbind"),
    path("callbacks/sms/<str:token>/", SmsReceipts.as_view(), name="sms_receipts"),
    path("messages/stop/<str:token>/", StopPage.as_view(), name="stop"),
]
if settings.SANDBOX:
    urlpatterns.append(path("sandbox/codes/", SandboxCodesPage.as_view(), name="sandbox_codes"))
