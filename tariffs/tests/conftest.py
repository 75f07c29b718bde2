"""Staff at the administration of prices and contracts."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import User


@pytest.fixture
def admin_user(db: None) -> User:
    return User.objects.create_superuser("admin@example.com", "una-clave-larga-1", name="Admin")


@pytest.fixture
def staff(admin_user: User) -> Client:
    """The browser of someone who may do everything."""
    client = Client()
    client.force_login(admin_user)
    return client


@pytest.fixture
def staff_with(db: None) -> Callable[..., Client]:
    """Make the browser of someone with these rights and no other."""

    def make(*rights: str) -> Client:
        user = User.objects.create_user("ayuda@example.com", "una-clave-larga-1", name="Ayuda", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=rights))
        client = Client()
        client.force_login(user)
        return client

    return make
