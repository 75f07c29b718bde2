"""Announces changes of what a user may do to every process, whoever made them: the API, the admin, or a home that was deleted."""

from typing import Any

from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from accounts.constants import CHANGES
from accounts.models import Membership, Session, User
from common.redis_channels import announce


@receiver([post_save, post_delete], sender=User)
def announce_user(sender: type[User], instance: User, created: bool = False, **kwargs: Any) -> None:
    """Announce a change of the user; a new one has nothing to lose yet."""
    if not created:
        announce(CHANGES, str(instance.pk))


@receiver([post_save, post_delete], sender=Membership)
@receiver(post_delete, sender=Session)
def announce_right(sender: type[Any], instance: Membership | Session, created: bool = False, **kwargs: Any) -> None:
    """Announce a change of a membership, or a session that is gone. Ending a session is announced by the query set."""
    if not created:
        announce(CHANGES, str(instance.user_id))
