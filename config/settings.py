"""Settings of the service, each read once from the environment; the README lists them."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pghistory
from django.templatetags.static import static

from config import env
from config.services import Services

BASE_DIR = Path(__file__).resolve().parent.parent
LOCAL_DIR = Path(env.text("AGENTMETER_LOCAL", str(BASE_DIR / ".local")))

DEBUG = env.flag("AGENTMETER_DEBUG", default=False)
SECRET_KEY = env.secret("AGENTMETER_SECRET_KEY", keep_in=LOCAL_DIR / "secret-key")
ALLOWED_HOSTS = env.text("AGENTMETER_HOSTS", "127.0.0.1,localhost,[::1],testserver").split(",")
PUBLIC_URL = env.text("AGENTMETER_URL", "http://127.0.0.1:8000")
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "pgtrigger",
    "pghistory",
    "metering.apps.MeteringConfig",
    "agents.apps.AgentsConfig",
    "billing.apps.BillingConfig",
    "config.apps.ConfigConfig",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.errors.ProblemMiddleware",
    "config.idempotency.IdempotencyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "config.history.HistoryMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# Servers: the operator's own, or the embedded ones as last started (manage.py starts them; settings never do).
_endpoints = Services(LOCAL_DIR / "services").endpoints()
_database = urlsplit(_endpoints.database_url if _endpoints else "postgresql://agentmeter@127.0.0.1:1/agentmeter")
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _database.path.lstrip("/"),
        "USER": unquote(_database.username or ""),
        "PASSWORD": unquote(_database.password or ""),
        "HOST": _database.hostname or "",
        "PORT": str(_database.port or 5432),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "TEST": {"NAME": env.text("AGENTMETER_TEST_DATABASE", "test_agentmeter")},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CELERY_BROKER_URL = _endpoints.redis_url if _endpoints else "redis://127.0.0.1:1/0"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True  # a killed worker's task runs again; every task is safe to run twice
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = "UTC"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True

STATIC_URL = "/static/"
STATIC_ROOT = env.text("AGENTMETER_STATIC_ROOT", "") or None  # for collectstatic; without it files are found in place
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

LOGIN_URL = "portal:login"
LOGIN_REDIRECT_URL = "portal:overview"
LOGOUT_REDIRECT_URL = "portal:login"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = PUBLIC_URL.startswith("https://")
CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("MinimumLengthValidator", "CommonPasswordValidator", "NumericPasswordValidator")
]

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["agents.auth.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "EXCEPTION_HANDLER": "config.errors.answer_problem",
    "DEFAULT_METADATA_CLASS": None,  # the document at /v1/schema says it better than OPTIONS
    "DEFAULT_SCHEMA_CLASS": "config.openapi.schema.Schema",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Agentmeter",
    "DESCRIPTION": "Meters what AI agents do at the edge and turns it into invoices that both sides can check.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": "/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "POSTPROCESSING_HOOKS": ["config.openapi.schema.complete"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 8 * 1024 * 1024

# Stripe: without a key of the operator's own, the sandbox that `make demo` starts.
STRIPE_API_KEY = env.text("STRIPE_API_KEY", "sk_test_sandbox")
STRIPE_API_URL = env.text("STRIPE_API_URL", "")
STRIPE_WEBHOOK_SECRET = env.text("STRIPE_WEBHOOK_SECRET", "")  # several, with commas, while one is rotated
STRIPE_CALLS_PER_SECOND = env.number("STRIPE_CALLS_PER_SECOND", 0)  # 0: Stripe's limits, 100 live and 25 in test mode
STRIPE_ENDPOINT_CALLS_PER_SECOND = env.number("STRIPE_ENDPOINT_CALLS_PER_SECOND", 0)  # 0: 25, of searches 20
STRIPE_TAX_CODE = env.text("STRIPE_TAX_CODE", "")  # of what is sold, for Stripe Tax; empty: the account's default

# History of prices: kept by triggers, never changed, each row with who did it and where.
PGHISTORY_APPEND_ONLY = True
PGHISTORY_CONTEXT_FIELD = pghistory.ContextJSONField()

# Mails: printed by the worker unless a server is named.
EMAIL_HOST = env.text("AGENTMETER_MAIL_HOST", "")
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if EMAIL_HOST else 'console'}.EmailBackend"
EMAIL_PORT = env.number("AGENTMETER_MAIL_PORT", 587)
EMAIL_HOST_USER = env.text("AGENTMETER_MAIL_USER", "")
EMAIL_HOST_PASSWORD = env.text("AGENTMETER_MAIL_PASSWORD", "")
EMAIL_USE_TLS = EMAIL_PORT != 465  # noqa: PLR2004 - there TLS begins with the connection
EMAIL_USE_SSL = not EMAIL_USE_TLS
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = env.text("AGENTMETER_MAIL_FROM", "billing@agentmeter.example")

# The seller printed on every invoice.
SELLER_NAME = env.text("AGENTMETER_SELLER_NAME", "Agentmeter")
SELLER_ADDRESS = env.text("AGENTMETER_SELLER_ADDRESS", "1 Meter Street\n10115 Berlin\nGermany")
INVOICE_PREFIX = env.text("AGENTMETER_INVOICE_PREFIX", "AM")
CREDIT_NOTE_PREFIX = env.text("AGENTMETER_CREDIT_NOTE_PREFIX", "CN")
# Up to how much one person credits of an invoice alone, in whole units; of a currency not named, nothing.
CREDIT_NOTE_LIMITS = env.amounts("AGENTMETER_CREDIT_NOTE_LIMITS", "EUR=500,GBP=500,JPY=75000,USD=500")
EVENT_MONTHS = env.number("AGENTMETER_EVENT_MONTHS", 0)  # whole months of events kept in the database; 0 keeps all
ARCHIVE_DIR = Path(env.text("AGENTMETER_ARCHIVE_DIR", str(LOCAL_DIR / "archive")))

# Reminders of what is not paid, by days after it was due; the grace after the last one; then suspension.
DUNNING_DAYS = env.text("AGENTMETER_DUNNING_DAYS", "1,3,7,14")
DUNNING_GRACE_DAYS = env.number("AGENTMETER_DUNNING_GRACE_DAYS", 7)
WEBHOOKS_ALLOW_PRIVATE = env.flag("AGENTMETER_WEBHOOKS_ALLOW_PRIVATE", default=False)

# Closing: how long usage is awaited, and what is too odd to be invoiced without a person (billing/sanity.py).
CLOSE_GRACE_HOURS = env.number("AGENTMETER_CLOSE_GRACE_HOURS", 2)
CLOSE_HOLD_HOURS = env.number("AGENTMETER_CLOSE_HOLD_HOURS", 72)  # for devices that are not complete
CLOSE_MOST_TIMES = env.number("AGENTMETER_CLOSE_MOST_TIMES", 10)  # the median of the last invoices; 0 for no bound
CLOSE_HISTORY = env.number("AGENTMETER_CLOSE_HISTORY", 6)  # how many invoices that median is of; at least 3 are needed
CLOSE_MOST_LINES = env.number("AGENTMETER_CLOSE_MOST_LINES", 1000)
CLOSE_MONTHS_AHEAD = env.number("AGENTMETER_CLOSE_MONTHS_AHEAD", 36)

UNFOLD = {
    "SITE_TITLE": "Agentmeter",
    "SITE_HEADER": "Agentmeter",
    "SITE_SYMBOL": "speed",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda _request: static("portal/mark.svg")}],
}
