"""`manage.py provision_broker`: every account at the broker anew."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from devices.control.exceptions import BrokerAway
from devices.ownership.broker_accounts import accounts_provision


class Command(BaseCommand):
    """The work is devices.ownership.broker_accounts."""

    help = (
        "Make the accounts of EcoWatt (MQTT_SHELLY_USER) and of every device with a key anew at the broker, through Mosquitto's dynamic "
        "security plugin (MQTT_DYNSEC_USER), and remove those of devices that are gone: for a new broker, or one that lost its file. "
        "Passwords stay as they are; who is connected is put out, and connects again. May be repeated."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print what was done. Raises CommandError."""
        if not settings.MQTT_DYNSEC_USER:
            raise CommandError("MQTT_DYNSEC_USER is not set: deploy/mosquitto/README.md tells how to set the plugin up.")
        try:
            done = accounts_provision()
        except BrokerAway:
            raise CommandError(
                "the broker does not answer, or does not know MQTT_DYNSEC_USER; nothing is known to be done."
            ) from None
        self.stdout.write(f"{done.made} devices' accounts made, {done.removed} of devices that are gone removed")
        if done.without_key:
            self.stdout.write(f"{done.without_key} devices have no key, and so no account: their homes can give them one")
        if done.refused:
            raise CommandError(f"the broker refuses {len(done.refused)} accounts: {', '.join(done.refused)}")
