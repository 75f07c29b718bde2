"""Fixtures that every app's tests share: an owner with a home and a meter, a member who shares it, a stranger."""

import json
from collections.abc import Iterator
from datetime import timedelta

import hypothesis
import pytest
import redis

from ecowatt.dev import services_for_tests as testing

testing.start()  # before anything below imports a model

from django.conf import settings as django_settings
from django.core.cache import cache
from django.utils import timezone
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from accounts.models import Contract, Home, Membership, Session, User
from accounts.security.authentication import UserAccessToken
from devices.models import Device
from tariffs.cfe.tariffs import SCHEMES_FILE
from tariffs.services import prices_load, schemes_load
from tariffs.tests.helpers import all_rates
from telemetry.ingest.mqtt_activity import LAST_FRAMES
from telemetry.mqtt.device_state import STATUS
from telemetry.mqtt.topic_prefixes import PREFIXES


def pytest_unconfigure(config: pytest.Config) -> None:
    testing.services.stop()


def pytest_report_header(config: pytest.Config) -> str:
    return f"embedded services: {', '.join(testing.services.environment) or 'none, the environment names them'}"


# How fast the machine is says nothing about the code.
hypothesis.settings.register_profile("any speed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("any speed")

PASSWORD = "una-clave-larga-1"


@pytest.fixture(autouse=True)
def _fast_passwords(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    yield
    cache.clear()


def make_user(email: str, home: Home | None = None, role: str = Membership.Role.OWNER) -> User:
    user = User.objects.create_user(email, PASSWORD, name=email.split("@")[0].title())
    if home is None:
        home = Home.objects.create(name=f"Casa de {user.name}")
        Contract.objects.create(home=home)
    Membership.objects.create(user=user, home=home, role=role)
    return user


@pytest.fixture(autouse=True)
def _devices_are_new() -> Iterator[None]:
    """Redis is the session's own, and so are the MACs: what one test's device said is nothing that another's did."""
    yield
    with redis.Redis.from_url(django_settings.REDIS_URL) as store:
        store.delete(LAST_FRAMES, PREFIXES, *store.scan_iter(f"{STATUS}*"))


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


@pytest.fixture
def prices(db: None) -> None:
    """Every price and every state's scheme that the project knows, in the database."""
    prices_load(rates=all_rates())
    schemes_load(schemes=json.loads(SCHEMES_FILE.read_text(encoding="utf-8")))


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
