"""
One settings module, read from the environment. A required value has no default: a missing one
stops the start. `.env.example` lists them all.
"""

from pathlib import Path
from urllib.parse import urlsplit

import environ
from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

SECRET_KEY = env.str("SECRET_KEY")
DEBUG = env.bool("DEBUG", default=False)
# A sandbox shows the one-time codes on a page and accepts plain HTTP. Never set it in production.
SANDBOX = env.bool("SANDBOX", default=False)
SITE_URL = env.str("SITE_URL")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS")

# --- Rooms, highest first (ARCHITECTURE.md). Imports and foreign keys look down this list. -------
ROOMS = [
    "membership",
    "analytics",
    "settlement",
    "campaigns",
    "care",
    "benefits",
    "tiers",
    "points",
    "messaging",
    "members",
    "partners",
    "programme",
    "common",
]

INSTALLED_APPS = [
    # Without its default config, which would put its own admin site in the place of ours.
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.simple_history",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "membership.apps.StaffConsoleConfig",
    "simple_history",
    "axes",
    "csp",
    "oauth2_provider",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    *ROOMS,
]

MIDDLEWARE = [
    "common.middleware.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "membership.csp.PolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "axes.middleware.AxesMiddleware",
    "common.middleware.NulMiddleware",
]

ROOT_URLCONF = "membership.urls"
WSGI_APPLICATION = "membership.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "membership.context.brand",
                "membership.context.login",
                "membership.context.unread",
            ],
        },
    },
]

# --- Database: two roles. The application's may only INSERT and SELECT what the ledger holds. ----
DATABASES = {
    "default": {
        **env.db_url("DATABASE_URL"),
        "ENGINE": "common.postgres",
        # A new connection costs PostgreSQL as much CPU as twenty accruals (docs/performance.md).
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "DISABLE_SERVER_SIDE_CURSORS": env.bool("DATABASE_POOLED", default=False),
    }
}
DATABASES["default"].setdefault("OPTIONS", {}).update(
    # A worker cut off from the network must not hold a member's row for hours.
    connect_timeout=3,
    keepalives_idle=10,
    keepalives_interval=5,
    keepalives_count=3,
    tcp_user_timeout=10_000,
)
ATOMIC_REQUESTS = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.str("REDIS_URL")
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
}
# Sessions live in the database: losing Redis must not log anybody out.
SESSION_ENGINE = "common.sessions"

# --- Personal data --------------------------------------------------------------------------------
# "id:base64 of 32 bytes", comma separated. The first encrypts; the others still decrypt.
FIELD_KEYS = env.list("FIELD_KEYS")
FIELD_INDEX_KEY = env.str("FIELD_INDEX_KEY")

# --- Logins ---------------------------------------------------------------------------------------
AUTH_USER_MODEL = "common.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "membership.accounts.Backend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
# Of a link to a new password.
PASSWORD_RESET_TIMEOUT = 3600
LOGIN_URL = reverse_lazy("login")
LOGIN_REDIRECT_URL = reverse_lazy("home")
LOGOUT_REDIRECT_URL = reverse_lazy("login")

AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False
# Failed logins are kept with what was typed: of that not the e-mail address, as not the password.
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "email"]
AXES_LOCKOUT_CALLABLE = "membership.console.locked_out"

# Staff who may do more than look prove a second factor at the console: "required" or "optional".
STAFF_MFA = env.str("STAFF_MFA", default="") or ("optional" if SANDBOX else "required")
if STAFF_MFA not in ("required", "optional"):
    raise ImproperlyConfigured("STAFF_MFA is required or optional")

SESSION_COOKIE_NAME = "membership_session" if SANDBOX else "__Host-membership_session"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = "membership_csrf" if SANDBOX else "__Host-membership_csrf"
CSRF_TRUSTED_ORIGINS = [SITE_URL]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not SANDBOX
SECURE_SSL_REDIRECT = not SANDBOX
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_HSTS_SECONDS = 0 if SANDBOX else 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = not SANDBOX
# A proxy that sets X-Forwarded-Proto and adds the caller to X-Forwarded-For; anybody else's claims.
BEHIND_PROXY = env.bool("BEHIND_PROXY", default=False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
X_FRAME_OPTIONS = "DENY"

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    },
}

DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
FILE_UPLOAD_HANDLERS = [
    "common.uploads.WholeRequest",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]

# --- Language and time ----------------------------------------------------------------------------
LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", "简体中文"), ("zh-hant", "繁體中文"), ("en", "English")]
LANGUAGE_COOKIE_NAME = "membership_language"
LANGUAGE_COOKIE_AGE = 31_536_000
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_SECURE = not SANDBOX
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
USE_THOUSAND_SEPARATOR = True
FORMAT_MODULE_PATH = ["membership.formats"]
# Days, months and birthdays are judged in the programme's zone.
TIME_ZONE = env.str("PROGRAMME_TIME_ZONE", default="Asia/Shanghai")

# --- Files ----------------------------------------------------------------------------------------
STATIC_URL = "static/"
STATIC_ROOT = env.str("STATIC_ROOT", default=str(BASE_DIR / ".data" / "static"))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# --- REST -----------------------------------------------------------------------------------------
# Each client's requests in a window, over all processes: a number and sec, min or hour.
API_RATE = env.str("API_RATE", default="6000/min")
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["partners.api.authentication.ClientAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["partners.api.permissions.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["common.api.rendering.Renderer"],
    "DEFAULT_PARSER_CLASSES": ["common.api.parsing.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "common.api.schema.Schema",
    "DEFAULT_THROTTLE_CLASSES": ["partners.api.throttling.ClientThrottle"],
    "EXCEPTION_HANDLER": "common.api.errors.handle",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Membership API",
    "DESCRIPTION": "Members, points and purchases for dealer and store systems. See docs/api.md.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1/",
    "PREPROCESSING_HOOKS": ["common.api.schema.only_v1"],
    "POSTPROCESSING_HOOKS": ["common.api.schema.complete"],
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PUBLIC": True,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": False,
}

OAUTH2_PROVIDER_APPLICATION_MODEL = "partners.ApiClient"
OAUTH2_PROVIDER = {
    "SCOPES_BACKEND_CLASS": "partners.api.scopes.ClientScopes",
    "ACCESS_TOKEN_EXPIRE_SECONDS": 3600,
    "ALLOWED_REDIRECT_URI_SCHEMES": ["https"],
    # Only the client-credentials grant is routed (membership/api_urls.py); what RFC 9700 advises
    # against is off all the same.
    "COMPLIANT_BCP_RFC9700_IMPLICIT_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PASSWORD_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PKCE_METHOD": True,
    "COMPLIANT_BCP_RFC9700_ACCESS_TOKEN_TRANSPORT": True,
    "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
    "COMPLIANT_BCP_RFC9700_TOKEN_STORAGE": True,
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
}

# --- Celery: the queue only starts work; what is to be done stands in tables. ---------------------
CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_PUBLISH_RETRY = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 10
CELERY_TASK_SOFT_TIME_LIMIT = 3300
CELERY_TASK_TIME_LIMIT = 3500
# Above the longest task, in both places: a message not acknowledged by then is delivered again.
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600}
CELERY_VISIBILITY_TIMEOUT = 3600
CELERY_TASK_ROUTES = {
    "*.nightly.*": {"queue": "nightly"},
    # A server that takes its time keeps no one-time code waiting.
    "messaging.deliver_*": {"queue": "mail"},
    "messaging.tell_*": {"queue": "mail"},
    "benefits.follow_payments": {"queue": "mail"},
}
CELERY_TASK_DEFAULT_QUEUE = "default"
# Chunks at work at any moment, over all processes that take from the queue "nightly".
NIGHT_WORKERS = env.int("NIGHT_WORKERS", default=2)
# Members in one transaction. At 500 a till hardly notices; with the tills closed 5,000 are quicker.
NIGHT_CHUNK_MEMBERS = env.int("NIGHT_CHUNK_MEMBERS", default=500)
CELERY_TIMEZONE = TIME_ZONE
CELERY_BEAT_SCHEDULE = {
    "deliver waiting events": {
        "task": "common.deliver_waiting_events",
        "schedule": 10.0,
    },
    "deliver waiting messages": {
        "task": "messaging.deliver_waiting",
        "schedule": 10.0,
        # While one sends for its fifty seconds, starts do not pile up behind it.
        "options": {"expires": 10},
    },
    "tell members what has changed": {
        "task": "messaging.tell_changes",
        "schedule": 10.0,
        "options": {"expires": 10},
    },
    "grant points to many": {
        "task": "points.work_on_grants",
        "schedule": 10.0,
        "options": {"expires": 10},
    },
    "bring members of files": {
        "task": "campaigns.work_on_member_imports",
        "schedule": 10.0,
        "options": {"expires": 10},
    },
    "make and issue coupons": {
        "task": "benefits.work_on_coupons",
        "schedule": 10.0,
        "options": {"expires": 10},
    },
    "look after payments": {
        "task": "benefits.follow_payments",
        "schedule": 30.0,
        "options": {"expires": 30},
    },
    "invite members": {
        "task": "campaigns.invite_members",
        "schedule": 10.0,
        "options": {"expires": 10},
    },
    # Each start does what is left of the night and of nights that were missed; mostly nothing. So
    # a worker that was killed is made up for within minutes (common/nights.py).
    "work on the night": {
        "task": "common.nightly.work",
        "schedule": 300.0,
        "options": {"expires": 300},
    },
}

# --- Staff console --------------------------------------------------------------------------------
UNFOLD = {
    "SITE_TITLE": _("Membership console"),
    "SITE_HEADER": _("Membership console"),
    "SITE_SYMBOL": "loyalty",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _request: static("icon.svg")}
    ],
    # Who changed what stands in the audit records.
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_LANGUAGES": True,
    "ENVIRONMENT": "membership.console.environment",
    "SIDEBAR": {"navigation": "membership.console.navigation"},
    "ACCOUNT": {
        "navigation": [{"title": _("Second factor"), "link": reverse_lazy("admin:own_factor")}],
    },
    "DASHBOARD_CALLBACK": "membership.console.dashboard",
    "STYLES": [lambda _request: static("css/console.css")],
    "COLORS": {
        # A quiet blue: the brand's own colour belongs to the members' pages.
        "primary": {
            "50": "oklch(97% .014 254.604)",
            "100": "oklch(93.2% .032 255.585)",
            "200": "oklch(88.2% .059 254.128)",
            "300": "oklch(80.9% .105 251.813)",
            "400": "oklch(70.7% .165 254.624)",
            "500": "oklch(62.3% .214 259.815)",
            "600": "oklch(54.6% .245 262.881)",
            "700": "oklch(48.8% .243 264.376)",
            "800": "oklch(42.4% .199 265.638)",
            "900": "oklch(37.9% .146 265.522)",
            "950": "oklch(28.2% .091 267.935)",
        },
    },
}

# --- E-mail ---------------------------------------------------------------------------------------
vars().update(env.email_url("EMAIL_URL", default="smtp://127.0.0.1:1025"))
# For each answer of the mail server.
EMAIL_TIMEOUT = 15
DEFAULT_FROM_EMAIL = env.str("EMAIL_FROM", default=f"no-reply@{urlsplit(SITE_URL).hostname}")

# Where mail servers write what became of an e-mail (`manage.py take_bounce`).
EMAIL_RETURN_PATH = env.str("EMAIL_RETURN_PATH", default=DEFAULT_FROM_EMAIL)

# --- Other channels (docs/operations.md). Secrets stay here: no log, no table has them. -----------
# No text message and no WeChat message between these hours, by the member's clock; empty: always.
QUIET_HOURS = env.str("QUIET_HOURS", default="22:00-08:00")
# What one member gets at most in 24 hours: a channel without a number has no limit.
MESSAGES_PER_DAY = env.dict("MESSAGES_PER_DAY", default={"SMS": "5", "WECHAT": "5", "EMAIL": "20"})
# Seconds for an answer of a provider.
MESSAGING_TIMEOUT = env.float("MESSAGING_TIMEOUT", default=10.0)
# "aliyun" or "tencent"; empty: no text messages, one-time codes only in a sandbox.
SMS_PROVIDER = env.str("SMS_PROVIDER", default="")
SMS_ACCESS_KEY_ID = env.str("SMS_ACCESS_KEY_ID", default="")
SMS_ACCESS_KEY_SECRET = env.str("SMS_ACCESS_KEY_SECRET", default="")
SMS_SIGN_NAME = env.str("SMS_SIGN_NAME", default="")
# Tencent: the application, and the region that answers.
SMS_APP_ID = env.str("SMS_APP_ID", default="")
SMS_REGION = env.str("SMS_REGION", default="ap-guangzhou")
# The provider's own address, unless this names another one.
SMS_ENDPOINT = env.str("SMS_ENDPOINT", default="")
# What the provider calls the text with a code, by language: zh-hans=SMS_1,en=SMS_2
SMS_CODE_TEMPLATES = env.dict("SMS_CODE_TEMPLATES", default={})
# What stands in the address that the provider sends its receipts to; empty: none are taken.
SMS_RECEIPT_TOKEN = env.str("SMS_RECEIPT_TOKEN", default="")
# Codes cost money, and abroad a lot of it.
SMS_CODES_PER_DAY = env.int("SMS_CODES_PER_DAY", default=10_000)
# To phones of nobody, who say they want to join: apart, so that strangers keep no member out.
SMS_JOINING_CODES_PER_DAY = env.int("SMS_JOINING_CODES_PER_DAY", default=2_000)
# After a change of phone: hours in which no points leave the account (docs/decisions/0030).
PHONE_CHANGE_HOURS = env.int("PHONE_CHANGE_HOURS", default=48)
SMS_PREFIXES = env.list("SMS_PREFIXES", default=["+86"])
WECHAT_APP_ID = env.str("WECHAT_APP_ID", default="")
WECHAT_APP_SECRET = env.str("WECHAT_APP_SECRET", default="")
WECHAT_ENDPOINT = env.str("WECHAT_ENDPOINT", default="")
# Where members are sent to bind their WeChat; WeChat's own address, unless this names another.
WECHAT_OPEN_ENDPOINT = env.str("WECHAT_OPEN_ENDPOINT", default="")
WEBHOOK_URL = env.str("WEBHOOK_URL", default="")
# "whsec_…", comma separated: while the receiver learns a new one, both sign.
WEBHOOK_SECRETS = env.list("WEBHOOK_SECRETS", default=[])
# A receiver inside our own network, or without TLS.
WEBHOOK_ALLOW_PRIVATE = env.bool("WEBHOOK_ALLOW_PRIVATE", default=False)

# --- Payments (docs/operations.md). Secrets stay here: no log, no table has them. -----------------
# How long an order waits for its money.
PAYMENT_MINUTES = env.int("PAYMENT_MINUTES", default=30)
# WeChat Pay, API v3. Empty: nothing that costs money is sold online, but for play in a sandbox.
WECHAT_PAY_MERCHANT_ID = env.str("WECHAT_PAY_MERCHANT_ID", default="")
# The application that the merchant's account is bound to, if it is not WECHAT_APP_ID.
WECHAT_PAY_APP_ID = env.str("WECHAT_PAY_APP_ID", default="")
# The merchant's own key, and the serial number of its certificate: with these we sign.
WECHAT_PAY_PRIVATE_KEY = env.str("WECHAT_PAY_PRIVATE_KEY", default="")
WECHAT_PAY_CERTIFICATE_SERIAL = env.str("WECHAT_PAY_CERTIFICATE_SERIAL", default="")
# WeChat's key, with which its answers and notices are verified; and what opens notices.
WECHAT_PAY_PUBLIC_KEY_ID = env.str("WECHAT_PAY_PUBLIC_KEY_ID", default="")
WECHAT_PAY_PUBLIC_KEY = env.str("WECHAT_PAY_PUBLIC_KEY", default="")
WECHAT_PAY_API_V3_KEY = env.str("WECHAT_PAY_API_V3_KEY", default="")
# Whether WeChat has opened H5 to the merchant: members then pay on the phone they order with.
WECHAT_PAY_H5 = env.bool("WECHAT_PAY_H5", default=False)
# Whether WeChat knows our pages of payment as 支付授权目录: members then pay inside WeChat.
WECHAT_PAY_JSAPI = env.bool("WECHAT_PAY_JSAPI", default=False)
WECHAT_PAY_ENDPOINT = env.str("WECHAT_PAY_ENDPOINT", default="")

# --- Logs -----------------------------------------------------------------------------------------
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        "django.request": {"level": "ERROR"},
        "oauth2_provider": {"level": "WARNING"},
        # At DEBUG it tells addresses, which may hold a token.
        "urllib3": {"level": "INFO"},
    },
}
if sentry_dsn := env.str("SENTRY_DSN", default=""):
    import sentry_sdk

    sentry_sdk.init(dsn=sentry_dsn, send_default_pii=False)
