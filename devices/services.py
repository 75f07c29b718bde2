"""Every write to the devices."""

import time
from collections.abc import Iterable, Mapping
from datetime import datetime

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Count, Q
from django.utils import timezone

from accounts.models import Home
from common.redis_channels import announce
from common.redis_connections import redis_client
from devices import shelly_models as shelly
from devices.circuits import CircuitChange, channels_fill, own_names
from devices.events import event_record
from devices.exceptions import DeviceNotFound, DeviceOfAnotherHome, DeviceTaken, KeyNotUsed, TooManyDevices
from devices.models import Command, Device, EventKind, Replacement, RoleChange
from devices.ownership.broker_accounts import change_note
from devices.ownership.keys import digest_of, key_make
from devices.ownership.proofs import NEARNESS, Proof
from devices.ownership.switch_challenges import challenge_start
from devices.registry import CHANGES

log = structlog.get_logger(__name__)
LEARNT_FIELDS = ("channel_numbers", "firmware", "generation", "identify_at", "is_prefix_chosen", "is_model_chosen")
KEY_FIELDS = ("key_digest", "key_used_at", "requires_key")


@transaction.atomic
def device_register(
    *,
    home: Home,
    hardware_id: str,
    name: str,
    mqtt_prefix: str | None = None,
    is_main: bool | None = None,
    circuits: Mapping[int, CircuitChange] | None = None,
    proof: Proof | None = None,
    key: str | None = None,
) -> Device:
    """Claim a device for a home and say what its circuits are. One that the home has had before comes back with its past and its id.

    The id is a MAC in any spelling, or a Shelly's full id, whose prefix then says the model. Without one the topic prefix does;
    a prefix of the owner's own leaves the model unknown (empty). A claim that is proven to be near wins over another home's that is not
    proven. `key` becomes the device's own. Raises DeviceTaken or DeviceOfAnotherHome, also in a race, and TooManyDevices.
    """
    bare, prefix = shelly.identity_of(hardware_id)
    _require_room(home, bare)
    if proof in NEARNESS:
        _release_unproven(bare, home)
    if retired := _retired_in(home, bare):
        # The app sends the default for whatever it registers, so that says nothing of a device that is known.
        own_prefix = None if mqtt_prefix == shelly.DEFAULT_PREFIX else mqtt_prefix
        return device_update(
            device=_revived(retired, proof, key),
            name=name,
            mqtt_prefix=own_prefix or prefix,
            is_main=is_main,
            circuits=circuits,
        )
    mqtt_prefix = shelly.bare_prefix(mqtt_prefix or "", bare) or prefix or shelly.DEFAULT_PREFIX
    known = shelly.model_of(prefix or mqtt_prefix)
    device, is_new = Device.objects.get_or_create(
        hardware_id=bare,
        defaults={
            "home": home,
            "name": name,
            "mqtt_prefix": mqtt_prefix,
            "is_prefix_chosen": mqtt_prefix not in {prefix, shelly.DEFAULT_PREFIX},
            "brand": shelly.BRAND,
            "model": known.prefix if known else prefix or "",
            "is_main": bool(is_main),
            "proven_at": timezone.now() if proof else None,
            "key_digest": digest_of(key) if key else None,
        },
    )
    if not is_new:
        raise DeviceTaken if device.home_id == home.pk else DeviceOfAnotherHome
    channels_fill(device=device, changes=circuits)
    return device


def _require_room(home: Home, hardware_id: str) -> None:
    """Let a home have so many devices, besides this one, and so many with those that it has had. Raises TooManyDevices."""
    Home.objects.select_for_update(no_key=True).get(pk=home.pk)  # parallel registrations count each other
    others = Device.with_retired.filter(home=home).exclude(hardware_id=hardware_id)
    held = others.aggregate(now=Count("pk", filter=Q(retired_at=None)), ever=Count("pk"))
    if held["now"] >= settings.DEVICES_PER_HOME or held["ever"] >= 4 * settings.DEVICES_PER_HOME:
        raise TooManyDevices(settings.DEVICES_PER_HOME)


def _retired_in(home: Home, hardware_id: str) -> Device | None:
    """Return the device that had the hardware last: where that took another's place meanwhile, the home has retired it twice."""
    retired = Device.with_retired.retired().select_for_update().filter(home=home, hardware_id=hardware_id)
    return retired.order_by("-retired_at").first()


def _revived(device: Device, proof: Proof | None, key: str | None) -> Device:
    """Put a retired device to use again. Raises DeviceOfAnotherHome where another home has claimed it since, also in a race."""
    device.retired_at, device.is_active = None, True
    device.proven_at = timezone.now() if proof else None
    device.key_digest = digest_of(key) if key else None
    try:
        with transaction.atomic():
            device.save(update_fields=["retired_at", "is_active", "proven_at", "key_digest"])
    except IntegrityError as error:
        raise DeviceOfAnotherHome from error
    return device


def _release_unproven(hardware_id: str, home: Home) -> None:
    """Take the device from another home that has shown nothing."""
    held = Device.objects.select_for_update().filter(hardware_id=hardware_id, proven_at=None).exclude(home=home).first()
    if held is not None:
        device_retire(device=held)
        log.warning("an unproven claim lost against a proof", device=held.pk, home=held.home_id, new_home=home.pk)


@transaction.atomic
def device_replace(*, device: Device, hardware_id: str, proof: Proof | None = None, key: str | None = None) -> Device:
    """Put other hardware in a device's place: past, circuits and what is planned for them stay, and the old one may be claimed anew.

    What is known of the hardware itself is learnt anew, and `key` becomes its own. Raises DeviceTaken where the home has the hardware in
    use, DeviceOfAnotherHome, also in a race, and DeviceNotFound if the device has gone meanwhile.
    """
    bare, prefix = shelly.identity_of(hardware_id)
    home = Home.objects.select_for_update(no_key=True).get(pk=device.home_id)  # as registrations do
    _lock(device)
    device.refresh_from_db(fields=["hardware_id"])
    if proof in NEARNESS:
        _release_unproven(bare, home)
    old, device.hardware_id = device.hardware_id, bare
    if old == bare:
        raise DeviceTaken
    known = shelly.model_of(prefix or shelly.DEFAULT_PREFIX)
    device.mqtt_prefix, device.model = prefix or shelly.DEFAULT_PREFIX, known.prefix if known else prefix or ""
    device.proven_at = timezone.now() if proof else None
    device.channel_numbers, device.firmware, device.generation, device.identify_at = None, "", None, timezone.now()
    device.is_prefix_chosen = device.is_model_chosen = False
    device.key_digest, device.key_used_at, device.requires_key = digest_of(key) if key else None, None, False
    try:
        with transaction.atomic():
            device.save(update_fields=["hardware_id", "mqtt_prefix", "model", "proven_at", *LEARNT_FIELDS, *KEY_FIELDS])
    except IntegrityError as error:
        raise DeviceTaken if Device.objects.filter(home=home, hardware_id=bare).exists() else DeviceOfAnotherHome from error
    replacement = Replacement.objects.create(device=device, old_hardware_id=old, new_hardware_id=bare)
    device.events.filter(ended_at=None).update(ended_at=replacement.at)  # what was wrong was the old one's
    details = {"old_hardware_id": shelly.displayed_hardware_id(old), "new_hardware_id": shelly.displayed_hardware_id(bare)}
    event_record(device=device, kind=EventKind.REPLACED, at=replacement.at, details=details)
    announce(CHANGES, old)  # the new one was, by being saved
    change_note(old)
    return device


def proof_ask(*, home: Home, mac: str) -> None:
    """Ask a home to switch a device by which it shows that it has it. Raises RedisError."""
    challenge_start(redis_client(), home_id=home.pk, mac=mac, now=time.time())


@transaction.atomic
def devices_prove(*, devices: Iterable[Device]) -> None:
    """Note that the devices' homes have shown to have them; a proof is never taken back."""
    for device in devices:
        device.proven_at = timezone.now()
        if Device.objects.filter(pk=device.pk, proven_at=None).exists():
            device.save(update_fields=["proven_at"])


@transaction.atomic
def device_update(
    *,
    device: Device,
    name: str | None = None,
    mqtt_prefix: str | None = None,
    is_main: bool | None = None,
    circuits: Mapping[int, CircuitChange] | None = None,
) -> Device:
    """Change what is not None. Channels that bear the device's name follow it; a known prefix also says the model, until the device does.

    Raises DeviceNotFound if the device has gone meanwhile.
    """
    stored = _lock(device)
    before = own_names(device)
    device.name = device.name if name is None else name
    device.is_main = stored.is_main if is_main is None else is_main
    if device.is_main != stored.is_main:
        _note_role_change(stored)
    if mqtt_prefix and (prefix := shelly.bare_prefix(mqtt_prefix, device.hardware_id)) not in {"", device.mqtt_prefix}:
        device.mqtt_prefix, device.is_prefix_chosen = prefix, prefix != shelly.DEFAULT_PREFIX
        known = shelly.model_of(prefix)
        if known and device.channel_numbers is None:  # a device that has told its channels knows its model better
            device.model = known.prefix
    moved = ["mqtt_prefix"] if device.mqtt_prefix != stored.mqtt_prefix else []  # which puts it out at the broker
    device.save(update_fields=["name", "is_main", *moved, "is_prefix_chosen", "model"])
    channels_fill(device=device, changes=circuits, before=before)
    return device


def _note_role_change(before: Device) -> None:
    """Note that a device begins or ceases to measure the whole house. What is said of one that never spoke has been true from the start."""
    if before.is_main or before.last_seen_at:
        RoleChange.objects.create(device=before)


def _lock(device: Device) -> Device:
    looked_at = ("is_active", "is_main", "last_seen_at", "key_used_at", "mqtt_prefix")
    row = Device.objects.select_for_update().only(*looked_at).filter(pk=device.pk).first()
    if row is None:
        raise DeviceNotFound
    return row


@transaction.atomic
def device_toggle(*, device: Device) -> Device:
    """Switch monitoring on or off; of two toggles at the same moment each counts. Raises DeviceNotFound if it has gone."""
    device.is_active = not _lock(device).is_active
    device.save(update_fields=["is_active"])
    return device


@transaction.atomic
def device_retire(*, device: Device) -> None:
    """Release a device: any home may claim its hardware at once, and what was measured with it stays its home's.

    Raises DeviceNotFound if it has gone meanwhile.
    """
    _lock(device)
    device.retired_at, device.is_online = timezone.now(), False
    device.key_digest, device.key_used_at, device.requires_key = None, None, False
    device.save(update_fields=["retired_at", "is_online", *KEY_FIELDS])
    device.commands.filter(state=Command.State.WAITING).update(state=Command.State.CANCELLED, ended_at=device.retired_at)


@transaction.atomic
def device_key_rotate(*, device: Device) -> str:
    """Give the device a new key and return it, which nobody can do later; the one before is refused from now on.

    Raises DeviceNotFound if the device has gone meanwhile.
    """
    _lock(device)
    key = key_make()
    device.key_digest, device.key_used_at = digest_of(key), None
    device.save(update_fields=["key_digest", "key_used_at"])
    return key


@transaction.atomic
def device_key_require(*, device: Device, is_required: bool) -> None:
    """Refuse messages without the device's key, or take them again.

    Raises KeyNotUsed where the device has not presented its key yet and would be heard no more, DeviceNotFound.
    """
    stored = _lock(device)
    if is_required and stored.key_used_at is None:
        raise KeyNotUsed
    device.requires_key = is_required
    device.save(update_fields=["requires_key"])


def device_key_used(*, device_id: int, digest: bytes) -> None:
    """Note that a sender presented the device's key, the first time (1 query later)."""
    device = Device.objects.filter(pk=device_id, key_digest=digest, key_used_at=None).first()
    if device is not None:
        device.key_used_at = timezone.now()
        device.save(update_fields=["key_used_at"])


def device_delete(*, device: Device) -> None:
    """Delete a device for good: its home loses what was measured with it, and no other device ever gets its id."""
    device.delete()


@transaction.atomic
def devices_arrive(*, device_ids: Iterable[int], at: datetime) -> list[int]:
    """Write down that the devices are online; return those that were not. The one of several callers that changes a device gets it."""
    rows = Device.objects.select_for_update(no_key=True).filter(pk__in=list(device_ids), is_online=False).order_by("pk")
    arrived = list(rows.values_list("pk", flat=True))
    Device.objects.filter(pk__in=arrived).update(is_online=True, last_seen_at=at)
    return arrived


@transaction.atomic
def devices_leave(*, seen_at: Mapping[int, datetime], silent_since: datetime) -> list[int]:
    """Write down that the devices are offline and when they were last seen; return those that were not, nor seen since."""
    silent = Q(last_seen_at=None) | Q(last_seen_at__lte=silent_since)
    rows = Device.objects.select_for_update(no_key=True).filter(silent, pk__in=list(seen_at), is_online=True).order_by("pk")
    left = list(rows.only("pk"))
    for device in left:
        device.is_online, device.last_seen_at = False, seen_at[device.pk]
    Device.objects.bulk_update(left, ["is_online", "last_seen_at"], batch_size=500)
    return [device.pk for device in left]


def devices_seen(*, seen_at: Mapping[int, datetime]) -> None:
    """Write down when the devices were last seen."""
    rows = [Device(pk=device_id, last_seen_at=at) for device_id, at in sorted(seen_at.items())]
    Device.objects.bulk_update(rows, ["last_seen_at"], batch_size=500)
