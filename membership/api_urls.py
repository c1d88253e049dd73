"""What other systems call: tokens, the REST API, its schema, health."""

from django.urls import URLPattern, URLResolver

urlpatterns: list[URLPattern | URLResolver] = []
