"""What members and visitors open in a browser."""

from django.urls import include, path

urlpatterns = [path("accounts/", include("allauth.urls"))]
