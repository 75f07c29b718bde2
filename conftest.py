"""Fixtures that every app's tests share: an owner with a home and a meter, a member who shares it, a stranger."""

import gc
import json
import os
from collections.abc import Iterator
from datetime import timedelta

import hypothesis
import pytest
import redis

from ecowatt.dev import services_for_tests as testing

testing.start()  # before anything below imports a model

from django.conf import settings as django_settings
from django.db import transaction
from django.test import TransactionTestCase
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker
from rest_framework.test import APIClient

from accounts.models import Contract, Home, Membership, Session, User
from accounts.security.authentication import UserAccessToken
from common.testing_database import Rows, database_drop, database_make, rows_copy, rows_of_all_tables, rows_restore
from devices.models import Device
from tariffs.cfe.tariffs import SCHEMES_FILE
from tariffs.services import prices_load, schemes_load
from tariffs.tests.helpers import all_rates


def pytest_unconfigure(config: pytest.Config) -> None:
    testing.services.stop()


def pytest_report_header(config: pytest.Config) -> str:
    return f"embedded services: {', '.join(testing.embedded()) or 'none, the environment names them'}"


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """What `-n auto` means, unless the environment says it: half of a test's time is waiting for servers."""
    return int(os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS", 2 * (os.cpu_count() or 1)))


def pytest_xdist_setupnodes() -> None:
    """Start workers that load the settings here, on their own Redis, and not as soon as pytest-django finds the variable."""
    os.environ.pop("DJANGO_SETTINGS_MODULE", None)


# Files whose tests start processes and wait for them. One that came last would keep a single worker busy.
LONGEST = (
    "test_faults.py",
    "test_http_protocol.py",
    "test_up.py",
    "test_ingester.py",
    "test_live.py",
    "test_command_services.py",
    "test_embedded_postgres.py",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let workers begin with the longest files, and the garbage collector pass over what is loaded by now, as in a web process."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)
    if testing.WORKER:
        items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


# How fast the machine is says nothing about the code.
hypothesis.settings.register_profile("any speed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("any speed")

PASSWORD = "una-clave-larga-1"


django_settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # the others are slow on purpose


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None, django_db_blocker: DjangoDbBlocker, worker_id: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """A database for each worker, and a quicker way than Django's to empty it."""
    with django_db_blocker.unblock():
        database_make(worker_id, tmp_path_factory.getbasetemp().parent)
        migrated = rows_of_all_tables()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda case: rows_restore(migrated))
        yield
    with django_db_blocker.unblock():
        database_drop()


@pytest.fixture(scope="session")
def own_redis() -> Iterator[redis.Redis]:
    """The worker's own Redis. The cache gives up after a second, and a test may have told Redis to pause."""
    with redis.Redis.from_url(django_settings.REDIS_URL, socket_timeout=60) as client:
        yield client


@pytest.fixture(autouse=True)
def _empty_redis(own_redis: redis.Redis) -> Iterator[None]:
    yield
    own_redis.flushdb()


def make_user(email: str, home: Home | None = None, role: str = Membership.Role.OWNER) -> User:
    user = User.objects.create_user(email, PASSWORD, name=email.split("@")[0].title())
    if home is None:
        home = Home.objects.create(name=f"Casa de {user.name}")
        Contract.objects.create(home=home)
    Membership.objects.create(user=user, home=home, role=role)
    return user


@pytest.fixture
def owner(db: None) -> User:
    return make_user("dueno@example.com")


@pytest.fixture
def home(owner: User) -> Home:
    return owner.home


@pytest.fixture
def meter(home: Home) -> Device:
    return Device.objects.create(home=home, hardware_id="a8032412c3d4", name="Cocina", proven_at=timezone.now())


@pytest.fixture
def member(home: Home) -> User:
    return make_user("miembro@example.com", home, Membership.Role.MEMBER)


@pytest.fixture
def stranger(db: None) -> User:
    return make_user("ajeno@example.com")


@pytest.fixture(scope="session")
def price_rows(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Rows:
    """What loading prices and schemes leaves in the database: copying it takes a fraction of the time."""
    with django_db_blocker.unblock(), transaction.atomic():
        before = rows_of_all_tables()
        prices_load(rates=all_rates())
        schemes_load(schemes=json.loads(SCHEMES_FILE.read_text(encoding="utf-8")))
        loaded = {table: rows for table, rows in rows_of_all_tables().items() if table not in before}
        transaction.set_rollback(True)
    return loaded


@pytest.fixture
def prices(db: None, price_rows: Rows) -> None:
    """Every price and every state's scheme that the project knows, in the database."""
    rows_copy(price_rows)


def access_token(user: User, **lifetime: float) -> UserAccessToken:
    """An access token of a session of the user's own; of another lifetime than it usually has, in `timedelta`'s words."""
    token = UserAccessToken.for_session(Session.objects.create(user=user))
    if lifetime:
        token.set_exp(lifetime=timedelta(**lifetime))
    return token


def client_of(user: User | None) -> APIClient:
    client = APIClient()
    if user is not None:
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {access_token(user)}")
    return client


@pytest.fixture
def api(owner: User) -> APIClient:
    """The owner's phone."""
    return client_of(owner)


@pytest.fixture
def stranger_api(stranger: User) -> APIClient:
    return client_of(stranger)


@pytest.fixture
def anonymous_api() -> APIClient:
    return client_of(None)
