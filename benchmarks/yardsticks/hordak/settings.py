"""The least that django-hordak needs."""

import os

import environ

SECRET_KEY = "only for benchmarks"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "mptt",
    "hordak",
]
# A connection that stays, as the platform's callers have.
DATABASES = {
    "default": environ.Env().db_url("DATABASE_OWNER_URL", default=os.environ["DATABASE_URL"])
    | {"OPTIONS": {"options": "-c search_path=hordak"}, "CONN_MAX_AGE": None}
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
DEFAULT_CURRENCY = "CNY"
CURRENCIES = ["CNY"]
