"""The demo home and the administrator that `manage.py up` makes for trying things out; their random passwords stay in the checkout."""

import json
import secrets
from pathlib import Path
from typing import NamedTuple

from accounts.models import User
from accounts.services import user_register
from devices.models import Device
from ecowatt.dev.private_files import write_private
from ecowatt.env_files import LOCAL
from telemetry.models import Hour

ADMIN_EMAIL = "admin@example.com"
DEMO_EMAIL = "demo@example.com"


class Logins(NamedTuple):
    """Passwords of the administrator and of the demo home's owner; None where someone has changed it."""

    admin_password: str | None
    demo_password: str | None


def logins_make(folder: Path = LOCAL) -> Logins:
    """Make the administrator and the demo home with its owner where they are missing; their passwords stay what they were."""
    path = folder / "logins.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    passwords = {email: kept.get(email) or secrets.token_urlsafe(9) for email in (ADMIN_EMAIL, DEMO_EMAIL)}
    if passwords != kept:
        write_private(path, json.dumps(passwords, indent=1))
    if not _exists(ADMIN_EMAIL):
        User.objects.create_superuser(ADMIN_EMAIL, passwords[ADMIN_EMAIL], name="Administración")
    if not _exists(DEMO_EMAIL):
        user_register(email=DEMO_EMAIL, password=passwords[DEMO_EMAIL], name="Ana López", tariff="1C", billing_day=1)
    return Logins(*(password if _opens(email, password) else None for email, password in passwords.items()))


def demo_lacks_history() -> bool:
    """Return whether the demo home's devices, if it has any, have never had a bucket: it is new, or its history was interrupted."""
    devices = Device.with_retired.filter(home__memberships__user__email__iexact=DEMO_EMAIL)
    return not Hour.objects.filter(device_id__in=list(devices.values_list("id", flat=True))).exists()


def _exists(email: str) -> bool:
    return User.objects.filter(email__iexact=email).exists()


def _opens(email: str, password: str) -> bool:
    return User.objects.get(email__iexact=email).check_password(password)
