"""The phones that get push messages."""

from django.utils import timezone

from accounts.models import PushToken, User
from accounts.secret_tokens import digest


def push_token_register(*, user: User, token: str, device_name: str = "", platform: str = "") -> None:
    """Give a phone's token to the user, whoever had it before; twice at the same instant is fine (1 query)."""
    row = PushToken(user=user, token=token, digest=digest(token), device_name=device_name, platform=platform)
    row.updated_at = timezone.now()
    PushToken.objects.bulk_create(
        [row],
        update_conflicts=True,
        unique_fields=["digest"],
        update_fields=["user", "device_name", "platform", "updated_at"],
    )
