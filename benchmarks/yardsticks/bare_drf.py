"""The framework's own floor: a bare APIView without login, limits or database."""

import django
from django.conf import settings
from django.urls import path

settings.configure(
    SECRET_KEY="only for this benchmark",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["rest_framework"],
    # It sets Content-Length, without which no connection stays open.
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_PERMISSION_CLASSES": [],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
        "UNAUTHENTICATED_USER": None,
    },
)
django.setup()

from django.core.handlers.wsgi import WSGIHandler  # noqa: E402 - after the settings
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402


class Hello(APIView):
    def post(self, request, name):
        return Response({"hello": request.data["reference"]}, status=201)


urlpatterns = [path("api/v1/<name>/", Hello.as_view())]
application = WSGIHandler()
