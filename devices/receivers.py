"""Announces changes of a device to every process, whoever made them: the API, the admin, or a home that was deleted; and follows homes."""

from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from accounts.models import Home
from common.redis_channels import announce
from devices.models import Channel, Device
from devices.ownership.broker_accounts import change_note
from devices.registry import CHANGES
from devices.schedules.services import schedules_retime
from devices.tasks import broker_accounts_apply

# What a device's account at the broker is made of.
ACCOUNT_FIELDS = frozenset({"key_digest", "mqtt_prefix", "retired_at"})


@receiver([post_save, post_delete], sender=Device)
def announce_device(sender: type[Device], instance: Device, **kwargs: Any) -> None:
    """Announce the change. Where Redis is away, nobody remembers a device for long."""
    announce(CHANGES, instance.hardware_id)


@receiver([post_save, post_delete], sender=Device)
def note_account_change(
    sender: type[Device], instance: Device, update_fields: frozenset[str] | None = None, **kwargs: Any
) -> None:
    """Have the device's account at the broker changed after the commit, or by the schedule where there is no queue."""
    if settings.MQTT_DYNSEC_USER and (update_fields is None or ACCOUNT_FIELDS & set(update_fields)):
        change_note(instance.hardware_id)
        transaction.on_commit(broker_accounts_apply.delay, robust=True)


@receiver(post_save, sender=Channel)
def announce_channel(sender: type[Channel], instance: Channel, **kwargs: Any) -> None:
    """Announce the device of a channel that was named by itself, as the admin does: a channel with a name makes readings."""
    devices = Device.objects.filter(pk=instance.device_id)
    transaction.on_commit(lambda: announce(CHANGES, *devices.values_list("hardware_id", flat=True)))


@receiver(post_save, sender=Home)
def follow_clock(sender: type[Home], instance: Home, created: bool, update_fields: Any = None, **kwargs: Any) -> None:
    """Let the home's schedules go by its zone; a home knows nothing of its devices."""
    if not created and (update_fields is None or "time_zone" in update_fields):
        schedules_retime(home=instance)
