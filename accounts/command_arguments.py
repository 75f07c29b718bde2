"""Arguments of commands that name somebody's home."""

from django.core.management.base import CommandError

from accounts.models import Home, User


def home_of(email: str) -> Home:
    """Return the home that the app shows the user (2 queries). Raises CommandError."""
    user = User.objects.filter(email__iexact=email).first()
    if user is None:
        raise CommandError(f"Nobody here has the e-mail {email}.")
    home = Home.objects.visible_to(user).order_by("memberships__id").first()
    if home is None:
        raise CommandError(f"{email} has no home.")
    return home
