"""The project's settings, made quick for tests. The servers are real (local/pytest_plugin.py)."""

import os

# Plain HTTP and the page with the codes; tests of production's manners override what they need.
os.environ["SANDBOX"] = "1"
# Tasks that are called at once would call one another; tests of many workers ask for them.
os.environ.setdefault("NIGHT_WORKERS", "1")

from membership.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# Tasks are called, not queued, except by the tests that start a worker of their own.
CELERY_TASK_ALWAYS_EAGER = True
CELERY_TASK_EAGER_PROPAGATES = True
# Static files are found where they are written: none need be collected first.
WHITENOISE_AUTOREFRESH = True
WHITENOISE_USE_FINDERS = True
