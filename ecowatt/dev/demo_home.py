"""The demo home and the administrator that `manage.py up` makes for trying things out; their random passwords stay in the checkout."""

import json
import secrets
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import Contract, Home, User
from accounts.models.contracts import ALWAYS
from accounts.places.localities import proposals
from accounts.services import contract_change, user_register
from devices.circuits import CircuitChange
from devices.exceptions import DeviceOfAnotherHome
from devices.models import Channel, Device
from devices.ownership.proofs import Proof
from devices.services import device_register
from devices.simulator import invented_macs
from devices.simulator.registered import meters_of
from ecowatt.dev.private_files import write_private
from ecowatt.env_files import LOCAL
from tariffs.cfe.bill import ZERO, kwh_to_bill
from tariffs.selectors.cycles import biller_for, cycle_bounds, cycle_on
from tariffs.services import paper_bill_add
from telemetry.models import Hour

ADMIN_EMAIL = "admin@example.com"
DEMO_EMAIL = "demo@example.com"

SEED = "1"  # of the simulated household
# Cancún, of which bills have shown tariff, street lighting and season: warm at night all year, so that every date has something to show.
STATE, MUNICIPALITY, TARIFF = Contract.State.ROO, "Benito Juárez", "1D"
DAY = timedelta(days=1)
# So on any date the running cycle has some weeks, and the last bill some that were measured (of the 60 days of history) and some not.
SINCE_LAST_READING = 24 * DAY
BILLED_PER_MEASURED = 1.07  # an iron, a shower heater, the lamp at the gate: what hangs on no metered circuit


class DemoMeter(NamedTuple):
    """A Shelly of the demo home and its circuits by channel, whose kinds say what they draw."""

    model: str
    name: str
    circuits: tuple[CircuitChange, ...]


METERS = (
    DemoMeter("shellyplus1pm", "Refrigerador", (CircuitChange("Refrigerador", Channel.Kind.REFRIGERATOR),)),
    DemoMeter(
        "shelly2pmg3",
        "Recámara y patio",
        (
            CircuitChange("Aire acondicionado", Channel.Kind.AIR_CONDITIONING),
            CircuitChange("Lavadora", Channel.Kind.WASHING_MACHINE),
        ),
    ),
    DemoMeter("shelly1pmg3", "Luces y contactos", (CircuitChange("Luces y contactos", Channel.Kind.MIXED),)),
)


class Logins(NamedTuple):
    """Passwords of the administrator and of the demo home's owner; None where someone has changed it."""

    admin_password: str | None
    demo_password: str | None


def logins_make(folder: Path = LOCAL) -> Logins:
    """Make the administrator and the demo home with its owner where they are missing; their passwords stay what they were."""
    path = folder / "logins.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    passwords = {email: kept.get(email) or secrets.token_urlsafe(9) for email in (ADMIN_EMAIL, DEMO_EMAIL)}
    if passwords != kept:
        write_private(path, json.dumps(passwords, indent=1))
    if not _exists(ADMIN_EMAIL):
        User.objects.create_superuser(ADMIN_EMAIL, passwords[ADMIN_EMAIL], name="Administración")
    if not _exists(DEMO_EMAIL):
        user_register(email=DEMO_EMAIL, password=passwords[DEMO_EMAIL], name="Ana López")
    return Logins(*(password if _opens(email, password) else None for email, password in passwords.items()))


def demo_home_furnish() -> None:
    """Give the demo home its contract, meters and paper bills, all or nothing; one that has ever had one of these stays as it is.

    A meter that another home has claimed stays there.
    """
    home = _demo_home()
    if Device.with_retired.filter(home=home).exists() or home.paper_bills.exists():
        return
    with transaction.atomic():
        terms = proposals(STATE, MUNICIPALITY) | {"state": STATE, "municipality": MUNICIPALITY, "tariff": TARIFF}
        last_reading = home.today - SINCE_LAST_READING
        contract_change(home=home, valid_from=ALWAYS, billing_months=2, last_reading=last_reading, **terms)
        for mac, meter in zip(demo_macs(), METERS, strict=True):
            hardware_id, circuits = f"{meter.model}-{mac}", dict(enumerate(meter.circuits))
            with suppress(DeviceOfAnotherHome):
                device_register(home=home, hardware_id=hardware_id, name=meter.name, circuits=circuits, proof=Proof.STAFF)
        _paper_bills_add(home, last_reading)


def demo_macs() -> list[str]:
    """Return the MACs of the demo home's meters."""
    return invented_macs(len(METERS), SEED)


def demo_meters() -> QuerySet[Device]:
    """Return the simulated meters of which somebody's home takes readings."""
    return Device.objects.filter(hardware_id__in=demo_macs(), is_active=True)


def demo_lacks_history() -> bool:
    """Return whether the demo home has simulated meters and none of its devices has ever had a bucket: its history is to be written."""
    home = _demo_home()
    ids = list(Device.with_retired.filter(home=home).values_list("id", flat=True))
    return demo_meters().filter(home=home).exists() and not Hour.objects.filter(device_id__in=ids).exists()


def _paper_bills_add(home: Home, last_reading: date) -> None:
    """Type in the last two bills: of what the circuits drew, and something beside them, paid in whole pesos as CFE prints it."""
    meters, _ = meters_of(demo_macs(), seed=SEED, states={})
    curves = [curve for meter in meters for curve in meter.curves]
    newest = cycle_on(home, last_reading - DAY)
    carried = ZERO
    for cycle in (cycle_on(home, newest.start - DAY), newest):
        start, end = (edge.timestamp() for edge in cycle_bounds(home, cycle))
        drawn_kwh = sum(curve.energy_wh(start, end) for curve in curves) / 1000
        kwh = kwh_to_bill(drawn_kwh * BILLED_PER_MEASURED)
        bill = biller_for(home.contract_on(cycle.last_day), cycle).bill(kwh, carried=carried)
        paper_bill_add(home=home, start=cycle.start, end=cycle.end, kwh=kwh, total_mxn=Decimal(bill.amount_to_pay))
        carried = bill.carried_out


def _demo_home() -> Home:
    return User.objects.get(email__iexact=DEMO_EMAIL).home


def _exists(email: str) -> bool:
    return User.objects.filter(email__iexact=email).exists()


def _opens(email: str, password: str) -> bool:
    return User.objects.get(email__iexact=email).check_password(password)
