"""Every write to limits but that of their passing."""

from typing import Any

from devices.models import Device
from devices.shelly_models import DEFAULT_PREFIX, model_of
from telemetry.limits.exceptions import CircuitEssential, NoRelay, NoSuchChannel, TooManyLimits
from telemetry.models import Limit, Series

MOST_LIMITS = 20


def limit_create(*, device: Device, **figures: Any) -> Limit:
    """Create a limit of a circuit. Raises CircuitEssential, NoRelay, NoSuchChannel, TooManyLimits."""
    limit = Limit(device=device, **figures)
    circuit_check(device=device, channel=limit.channel)
    if device.limits.count() >= MOST_LIMITS:
        raise TooManyLimits
    limit.save()
    return limit


def limit_update(*, limit: Limit, **changes: Any) -> Limit:
    """Change a limit; with other figures it is a new one, that has not switched off yet. Raises CircuitEssential where it is activated."""
    before = (limit.power_w, limit.minutes, limit.kwh_a_day)
    for name, value in changes.items():
        setattr(limit, name, value)
    if changes.get("is_active"):
        circuit_check(device=limit.device, channel=limit.channel)
    fields = [*changes]
    if before != (limit.power_w, limit.minutes, limit.kwh_a_day):
        limit.passed_at = None
        fields.append("passed_at")
    limit.save(update_fields=fields)
    return limit


def circuit_check(*, device: Device, channel: int) -> None:
    """Refuse a circuit that no limit can, or may, switch off (1 to 2 queries). Raises CircuitEssential, NoRelay, NoSuchChannel."""
    model = None if device.model == DEFAULT_PREFIX else model_of(device.model)
    if model and not model.has_relay:
        raise NoRelay
    circuit = device.channels.filter(number=channel).first()
    if circuit is None and not Series.objects.filter(device_id=device.pk, channel=channel).exists():
        raise NoSuchChannel
    if circuit and circuit.is_essential:
        raise CircuitEssential
