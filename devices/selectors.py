"""Reads of the devices on behalf of a user."""

from collections.abc import Collection

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.models import Home, Membership, User
from devices import shelly
from devices.exceptions import DeviceNotFound, NotAllowed
from devices.models import Device

MAC = r"^[0-9a-f]{12}$"
MAX_ID = 2**63 - 1
CHANGING_ROLES = {Membership.Role.OWNER.value, Membership.Role.MEMBER.value}


def devices_of(user: User) -> QuerySet[Device]:
    """Return the devices of the home that the app shows, by id, with owner and channels (2 queries)."""
    return Device.objects.in_home_of(user).with_owner().prefetch_related("channels").order_by("id")


def macs_by_whole_prefix(prefixes: Collection[str]) -> dict[str, str]:
    """Return the MACs of devices whose MQTT prefix is one of these as it stands, by prefix (1 query).

    A model's name, or a prefix that several devices have, says nothing: each device's MAC stands behind it in its topics.
    """
    found: dict[str, set[str]] = {}
    own = [prefix for prefix in prefixes if shelly.model_of(prefix) is None]
    for prefix, mac in Device.objects.filter(mqtt_prefix__in=own, hardware_id__regex=MAC).values_list(
        "mqtt_prefix", "hardware_id"
    ):
        found.setdefault(prefix, set()).add(mac)
    return {prefix: macs.pop() for prefix, macs in found.items() if len(macs) == 1}


def device_get(*, user: User, device_id: str | int) -> Device:
    """Return a device that the user may see, whatever text stands for its id (2 queries).

    Raises DeviceNotFound, alike for another home's device, an unknown id and what is no id at all.
    """
    text = str(device_id)
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= MAX_ID):
        raise DeviceNotFound
    device = Device.objects.with_role_of(user).with_owner().prefetch_related("channels").filter(pk=int(text)).first()
    if device is None:
        raise DeviceNotFound
    return device


def device_get_to_change(*, user: User, device_id: str | int) -> Device:
    """Return a device that the user may change (2 queries). Raises DeviceNotFound, or NotAllowed for a viewer."""
    device = device_get(user=user, device_id=device_id)
    _require_changing_role(device.caller_role)  # type: ignore[attr-defined]
    return device


def home_to_change(user: User) -> Home:
    """Return the home that the app shows, if the user may change it (1 query). Raises NotAllowed."""
    membership = Membership.objects.filter(user=user).select_related("home").order_by("id").first()
    if membership is None:
        raise NotAllowed(_("Aún no perteneces a ningún hogar."))
    _require_changing_role(membership.role)
    return membership.home


def _require_changing_role(role: str) -> None:
    if role not in CHANGING_ROLES:
        raise NotAllowed(_("Como invitado puedes ver los dispositivos, pero no cambiarlos."))
