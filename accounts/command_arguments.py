"""Arguments of commands that name somebody's home."""

from django.core.management.base import CommandError

from accounts.exceptions import NoHome
from accounts.models import Home, User


def home_of(email: str) -> Home:
    """Return the home that the app shows the user (2 queries). Raises CommandError."""
    user = User.objects.find(email)
    if user is None:
        raise CommandError(f"Nobody here has the e-mail {email}, so it has no home. Register the user first.")
    try:
        return user.home
    except NoHome as error:
        raise CommandError(f"{email} has no home.") from error
