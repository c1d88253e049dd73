"""Where each door is. Rooms keep their own lists; nothing is decided here."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("membership.site_urls")),
    path("", include("membership.api_urls")),
    path("console/", admin.site.urls),
]

handler400 = "membership.views.bad_request"
