"""Settings, read from the environment, `.env` or a running `manage.py up`; `.env.example` explains each."""

from datetime import timedelta
from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _
from environ import Env

from ecowatt import env
from ecowatt.env_files import LOCAL, ROOT, read_environment
from ecowatt.logs import FORMS, LEVELS, logging_config

BASE_DIR = ROOT
read_environment()

# What this installation is
DEBUG = env.flag("DEBUG")
SECRET_KEY = env.secret("KEY_SECRET")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", ("localhost", "127.0.0.1", "[::1]"))
CORS_ALLOWED_ORIGINS = env.origins("CORS_ALLOWED_ORIGINS")
CORS_ALLOW_ALL_ORIGINS = env.flag("CORS_ALLOW_ALL_ORIGINS")
CSRF_TRUSTED_ORIGINS = env.origins("CSRF_TRUSTED_ORIGINS")
HTTPS_ONLY = env.flag("HTTPS_ONLY")
# How many proxies of ours stand before the web process: each adds one address to X-Forwarded-For.
PROXY_COUNT = env.integer("PROXY_COUNT", 0, at_most=10)

SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS_ONLY
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS_ONLY else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS_ONLY
if PROXY_COUNT:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.import_export",
    "unfold.contrib.simple_history",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "anymail",
    "corsheaders",
    "django_celery_beat",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "import_export",
    "rest_framework",
    "simple_history",
    "ecowatt",
    "accounts",
    "devices",
    "telemetry",
    "tariffs",
    "analysis",
    "reports",
    "django.contrib.staticfiles",  # behind ecowatt, whose runserver is Daphne's
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "ecowatt.nul_middleware.refuse_nul",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "ecowatt.admin_time.in_mexican_time",
]
ROOT_URLCONF = "ecowatt.urls"
ASGI_APPLICATION = "ecowatt.asgi.application"
APPEND_SLASH = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "accounts.User"
SESSION_COOKIE_AGE = 12 * 3600  # of the admin; a working day
AUTHENTICATION_BACKENDS = ["accounts.security.login_backends.PasswordBackend"]
# The e-mail is unique by a constraint on its lower case, which these checks can't see; the second speaks where the backend is our own.
SILENCED_SYSTEM_CHECKS = ["auth.E003", "auth.W004"]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "ecowatt" / "templates"],
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

# Language and time: texts are Spanish first; time is stored in UTC and cut into days in the zone of each home.
LANGUAGE_CODE = "es-mx"
LANGUAGES = [("es-mx", _("Español (México)")), ("en", _("Inglés"))]
LOCALE_PATHS = [BASE_DIR / "ecowatt" / "locale"]
USE_I18N = USE_TZ = True
TIME_ZONE = "UTC"
ADMIN_TIME_ZONE = "America/Mexico_City"  # staff are there, whatever a home's zone is
FORMAT_MODULE_PATH = ["ecowatt.formats"]

# Services
REDIS_URL = env.address(
    "URL_DATABASE_REDIS", schemes=("redis", "rediss", "unix"), example="redis://:password@redis.example.com:6379/0"
)
SQL_URL = env.address(
    "URL_DATABASE_SQL",
    schemes=("postgresql", "postgres", "postgresql+psycopg", "postgresql+psycopg2"),
    example="postgresql://ecowatt:password@db.example.com:5432/ecowatt",
)
DATABASES = {"default": Env.db_url_config(f"postgresql:{SQL_URL.partition(':')[2]}", engine="django.db.backends.postgresql")}
DATABASES["default"]["CONN_MAX_AGE"] = env.integer("DATABASE_CONN_MAX_AGE_SECONDS", 60)
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
# Connections of a web process (`ecowatt.asgi`), which keeps them in a pool: a request that finds none free waits, and then gets a 503.
# What the database refused is asked for anew by the next request, so that all goes on soon after it is back.
DATABASE_POOL = {
    "min_size": 1,
    "max_size": env.integer("DATABASE_WEB_CONNECTIONS", 20, at_least=1, at_most=1_000),
    "timeout": 5,
    "reconnect_timeout": 1,
}
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "ecowatt",
        "OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 1},  # logins go on without it, and soon
    }
}
MQTT_BROKER_HOST = env.text("MQTT_BROKER_HOST")
MQTT_BROKER_PORT = env.port("MQTT_BROKER_PORT", 1883)
MQTT_SHELLY_USER = env.text("MQTT_SHELLY_USER")
MQTT_SHELLY_PASS = env.text("MQTT_SHELLY_PASS")
# The broker as devices reach it (host:port), and what they check its certificate against; none is a connection without TLS.
MQTT_DEVICE_SERVER = env.text("MQTT_DEVICE_SERVER")
MQTT_DEVICE_SSL_CA = env.choice("MQTT_DEVICE_SSL_CA", "", ("", "ca.pem", "user_ca.pem", "*"))
# Whether ingest processes divide the messages among them; Mosquitto forgets such subscriptions when it is restarted, plain ones it keeps.
MQTT_SHARED = env.flag("MQTT_SHARED")
# The administrator of Mosquitto's dynamic security plugin, by whom each device gets an account of its own.
MQTT_DYNSEC_USER = env.text("MQTT_DYNSEC_USER")
MQTT_DYNSEC_PASS = env.text("MQTT_DYNSEC_PASS")
MQTT_DEVICE_ACCOUNTS = bool(MQTT_DYNSEC_USER) or env.flag("MQTT_DEVICE_ACCOUNTS")
# Messages that the broker hands an ingest process before it waits for acknowledgements: what a crash repeats, and the memory's bound.
MQTT_RECEIVE_MAXIMUM = env.integer("MQTT_RECEIVE_MAXIMUM", 6_000, at_least=1, at_most=65_535)
# How long the broker keeps messages for an ingest process that is away; one that is retired is drained (`manage.py ingest --drain`).
MQTT_SESSION_EXPIRY_SECONDS = env.integer("MQTT_SESSION_EXPIRY_SECONDS", 7 * 86_400, at_least=60, at_most=31_536_000)
WEB_HOST = env.text("WEB_HOST", "127.0.0.1")
WEB_PORT = env.port("WEB_PORT", 8000)
# What a request may bring along, a file for the admin included, and how long it may take to arrive, or an answer be
# left unread; who sends more is hung up on.
WEB_BODY_LIMIT_BYTES = 3_000_000
WEB_REQUEST_SECONDS = env.integer("WEB_REQUEST_SECONDS", 120, at_least=1)

CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 2}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_TIMEZONE = "UTC"

# Static files come from our own process: no step to collect them, no foreign host.
STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True

# Sessions
# The API states its own rule, 8 to 128 characters; this is the lower half for the admin, or such a user could not log in.
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 8}}
]
ACCESS_TOKEN_LIFETIME = timedelta(minutes=env.integer("ACCESS_TOKEN_EXPIRE_MINUTES", 30, at_least=1))
REFRESH_TOKEN_LIFETIME = timedelta(days=env.integer("REFRESH_TOKEN_EXPIRE_DAYS", 30, at_least=1))
REFRESH_TOKEN_GRACE = timedelta(seconds=env.integer("REFRESH_TOKEN_GRACE_SECONDS", 60))
PASSWORD_RESET_LIFETIME = timedelta(minutes=env.integer("PASSWORD_RESET_EXPIRE_MINUTES", 60, at_least=1))
LOGIN_FAILURES_PER_ACCOUNT_AND_NETWORK_PER_HOUR = env.integer("LOGIN_FAILURES_PER_ACCOUNT_AND_NETWORK_PER_HOUR", 10, at_least=1)
LOGIN_FAILURES_PER_ACCOUNT_PER_HOUR = env.integer("LOGIN_FAILURES_PER_ACCOUNT_PER_HOUR", 100, at_least=1)
SESSIONS_PER_USER = env.integer("SESSIONS_PER_USER", 20, at_least=1)
PHONES_PER_USER = env.integer("PHONES_PER_USER", 20, at_least=1)
SOCKETS_PER_USER = env.integer("SOCKETS_PER_USER", 20, at_least=1)
# Whether every device has to present its key, as one does that its home tells to.
DEVICE_KEYS_REQUIRED = env.flag("DEVICE_KEYS_REQUIRED")
DEVICES_PER_HOME = env.integer("DEVICES_PER_HOME", 50, at_least=1)
MAILS_PER_ACCOUNT_PER_HOUR = env.integer("MAILS_PER_ACCOUNT_PER_HOUR", 10, at_least=1)
AUTH_REQUESTS_PER_ADDRESS_PER_MINUTE = env.integer("AUTH_REQUESTS_PER_ADDRESS_PER_MINUTE", 60, at_least=1)
ALGORITHM = env.choice("ALGORITHM", "HS256", ("HS256", "HS384", "HS512"))
SIMPLE_JWT = {
    "ALGORITHM": ALGORITHM,
    "SIGNING_KEY": SECRET_KEY,
    "ACCESS_TOKEN_LIFETIME": ACCESS_TOKEN_LIFETIME,
    "CHECK_REVOKE_TOKEN": True,  # a changed password ends the access tokens issued under the old one
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.security.authentication.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["common.json_parser.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "common.error_responses.exception_handler",
    "COERCE_DECIMAL_TO_STRING": False,
    "NUM_PROXIES": PROXY_COUNT,
}

# Mail
BREVO_API_KEY = env.text("BREVO_API_KEY")
DEFAULT_FROM_EMAIL = env.sender("BREVO_SENDER_EMAIL", "EcoWatt <no-reply@localhost>", required_by="BREVO_API_KEY")
OUTBOX_DIR = LOCAL / "outbox"
LOCAL_FOLDER = LOCAL
EMAIL_BACKEND = "anymail.backends.brevo.EmailBackend" if BREVO_API_KEY else "ecowatt.mail_backend.OutboxBackend"
ANYMAIL = {"BREVO_API_KEY": BREVO_API_KEY}

# Other people's services: each is off until its key is there
FIREBASE_CREDENTIALS_PATH = env.text("FIREBASE_CREDENTIALS_PATH")
GEMINIS_API_KEY = env.text("GEMINIS_API_KEY")
DISCORD_WEBHOOK_URL = env.text("DISCORD_WEBHOOK_URL")

# Telemetry; the rules stand in docs/telemetry.md
TELEMETRY_BODY_LIMIT_BYTES = 16 * 1024
TELEMETRY_RETENTION_DAYS = env.integer("TELEMETRY_RETENTION_DAYS", 30, at_least=8, at_most=3_650)
TELEMETRY_BUCKET_RETENTION_DAYS = env.integer("TELEMETRY_BUCKET_RETENTION_DAYS", 397, at_least=31, at_most=36_500)
TELEMETRY_MAX_POWER_W = env.number("TELEMETRY_MAX_POWER_W", 30_000.0, at_least=1)
TELEMETRY_POWER_GAP_SECONDS = env.integer("TELEMETRY_POWER_GAP_SECONDS", 60, at_least=1)
TELEMETRY_COUNTER_GAP_SECONDS = env.integer("TELEMETRY_COUNTER_GAP_SECONDS", 90, at_least=1)
# A meter has up to a few dozen things to say in a minute; a public address may stand for many homes.
TELEMETRY_MESSAGES_PER_DEVICE_PER_MINUTE = env.integer("TELEMETRY_MESSAGES_PER_DEVICE_PER_MINUTE", 600, at_least=1)
TELEMETRY_MESSAGES_PER_ADDRESS_PER_MINUTE = env.integer("TELEMETRY_MESSAGES_PER_ADDRESS_PER_MINUTE", 6_000, at_least=1)
TELEMETRY_QUEUE_LIMIT = env.integer("TELEMETRY_QUEUE_LIMIT", 20_000, at_least=1)

# Carbon: empty means the grid's published factor of the year of consumption
CARBON_EMISSION_FACTOR_KG_PER_KWH = env.decimal_or_none("CARBON_EMISSION_FACTOR_KG_PER_KWH")
CARBON_KG_PER_TREE_AND_YEAR = env.number("CARBON_KG_PER_TREE_AND_YEAR", 22.0, at_least=0.1)

LOGGING_CONFIG = None
LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", LEVELS)
LOG_FORMAT = env.choice("LOG_FORMAT", "console", FORMS)
logging_config(level=LOG_LEVEL, form=LOG_FORMAT)

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "EcoWatt",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "DESCRIPTION": (
        "Electricity of a Mexican household, live and in pesos. Log in, press Authorize and paste the `access_token`.\n\n"
        "Every error is JSON with `detail`: a sentence for the user, or a list whose items have one as `msg`. It is Spanish; "
        "`Accept-Language: en` asks for English. Any call may also answer 405 (another method), 406, 413 (a body above 64 KiB), "
        "415 (not JSON), 500 or 503 (the database is away). A key that a body does not know is refused (422). A slash at the end of a "
        "path is optional."
    ),
    "TAGS": [
        {"name": "auth", "description": "Sessions and passwords"},
        {"name": "users", "description": "People"},
        {"name": "contract", "description": "The home's supply contract with CFE"},
        {"name": "bills", "description": "Paper bills, and how they compare with the meters"},
        {"name": "devices", "description": "The home's meters"},
        {"name": "control", "description": "Switching the home's circuits"},
        {"name": "schedules", "description": "Switching circuits by the clock"},
        {"name": "dashboard", "description": "The current billing cycle"},
        {"name": "tariffs", "description": "CFE's prices, the outlook of the cycle, and what-if"},
        {"name": "history", "description": "Energy and readings by hour and by local day"},
        {"name": "live", "description": "Live readings"},
        {"name": "push", "description": "Phones that receive notifications"},
        {"name": "ingest", "description": "Readings from devices"},
    ],
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "displayRequestDuration": True, "validatorUrl": None},
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "PREPROCESSING_HOOKS": ["ecowatt.api_docs.documented_paths"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "telemetry.api.asgi_schema.described_beside_django",
    ],
    "ENUM_NAME_OVERRIDES": {
        "CircuitKindEnum": "devices.models.Channel.Kind",
        "EventKindEnum": "devices.models.EventKind",
        "RateEnum": "accounts.api.fields.RATES",
        "CertaintyEnum": "tariffs.cfe.bill.CERTAINTIES",
    },
}
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")
UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "EcoWatt",
    "SITE_HEADER": "EcoWatt",
    "SITE_SYMBOL": "bolt",
    "SITE_URL": reverse_lazy("docs"),
    "STYLES": [lambda request: static("ecowatt/admin.css")],
    "LOGIN": {"form": "accounts.security.admin_login_form.LoginForm"},
    "SIDEBAR": {"show_search": True, "navigation": "ecowatt.admin_sidebar.navigation"},
    "COLORS": {  # Tailwind's emerald
        "primary": {
            "50": "oklch(97.9% .021 166.113)",
            "100": "oklch(95% .052 163.051)",
            "200": "oklch(90.5% .093 164.15)",
            "300": "oklch(84.5% .143 164.978)",
            "400": "oklch(76.5% .177 163.223)",
            "500": "oklch(69.6% .17 162.48)",
            "600": "oklch(59.6% .145 163.225)",
            "700": "oklch(50.8% .118 165.612)",
            "800": "oklch(43.2% .095 166.913)",
            "900": "oklch(37.8% .077 168.94)",
            "950": "oklch(26.2% .051 172.552)",
        }
    },
}
