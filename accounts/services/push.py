"""The phones that get push messages."""

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import PushToken, Session
from accounts.security.secret_tokens import digest
from common.exceptions import BadCredentials


@transaction.atomic
def push_token_register(*, session: Session, token: str, device_name: str = "", platform: str = "") -> None:
    """Give a phone's token to the session, whoever had it before; twice at the same instant is fine (3 queries).

    A user has so many phones; the one that registered longest ago goes.

    Raises BadCredentials where the session was ended meanwhile.
    """
    if not Session.objects.open().select_for_update(no_key=True).filter(pk=session.pk).exists():
        raise BadCredentials
    row = PushToken(user_id=session.user_id, session=session, token=token, device_name=device_name, platform=platform)
    row.digest, row.updated_at = digest(token), timezone.now()
    PushToken.objects.bulk_create(
        [row],
        update_conflicts=True,
        unique_fields=["digest"],
        update_fields=["user", "session", "device_name", "platform", "updated_at"],
    )
    phones = PushToken.objects.filter(user=session.user_id).order_by("-updated_at", "-pk").values_list("pk", flat=True)
    if spare := list(phones[settings.PHONES_PER_USER :]):
        PushToken.objects.filter(pk__in=spare).delete()
