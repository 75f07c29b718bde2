"""The logins that `manage.py up` makes for trying things out, with random passwords kept in the checkout."""

import json
import secrets
from pathlib import Path
from typing import NamedTuple

from accounts.models import User
from accounts.services import user_register
from ecowatt.embedded import LOCAL

ADMIN_EMAIL = "admin@example.com"
DEMO_EMAIL = "demo@example.com"


class Logins(NamedTuple):
    """Passwords of the administrator and of the demo home's owner; `is_new` where the demo home has just been made."""

    admin_password: str
    demo_password: str
    is_new: bool


def logins_make(folder: Path = LOCAL) -> Logins:
    """Make the administrator and the demo home's owner where they are missing; their passwords stay what they were."""
    path = folder / "logins.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    passwords = {email: kept.get(email) or secrets.token_urlsafe(9) for email in (ADMIN_EMAIL, DEMO_EMAIL)}
    path.touch(mode=0o600)
    path.write_text(json.dumps(passwords, indent=1))
    if not User.objects.filter(email__iexact=ADMIN_EMAIL).exists():
        User.objects.create_superuser(ADMIN_EMAIL, passwords[ADMIN_EMAIL], name="Administración")
    is_new = not User.objects.filter(email__iexact=DEMO_EMAIL).exists()
    if is_new:
        user_register(email=DEMO_EMAIL, password=passwords[DEMO_EMAIL], name="Ana López", tariff="1C", billing_day=1)
    return Logins(passwords[ADMIN_EMAIL], passwords[DEMO_EMAIL], is_new)
