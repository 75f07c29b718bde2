"""Devices' accounts at a Mosquitto with its dynamic security plugin: each for its own topics, and gone with its device."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings as configured
from django.core.management import CommandError, call_command
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from pytest_django.fixtures import Settings

from accounts.models import Home
from common.testing import await_true
from common.tests.mqtt.mosquitto import BINARY, mosquitto
from devices.constants import RPC_REPLIES
from devices.control.exceptions import BrokerAway
from devices.models import BrokerAccountChange, Device
from devices.ownership.broker_accounts import account_of, changes_apply
from devices.ownership.dynamic_security import Account, commands_for_ourselves, commands_to_make
from devices.ownership.keys import key_make
from devices.services import device_delete, device_key_rotate, device_register, device_replace, device_retire, device_update

CTRL = shutil.which("mosquitto_ctrl")
PLUGIN = next(iter(Path("/usr/lib").glob("*/mosquitto_dynamic_security.so")), None)
# CI has to have it: what is skipped there would be skipped for ever.
NEEDED = pytest.mark.skipif(not (BINARY and PLUGIN and CTRL) and not os.environ.get("CI"), reason="the plugin is not installed")
pytestmark = [pytest.mark.django_db, NEEDED]
ADMIN, ADMIN_PASSWORD, OURS = "dynsec-admin", "of-the-admin", "ecowatt"
RULES = Path(configured.BASE_DIR, "deploy", "mosquitto", "ecowatt.acl")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A broker as deploy/mosquitto/README.md sets it up with the plugin."""
    state = tmp_path_factory.mktemp("dynsec") / "dynamic-security.json"
    subprocess.run([str(CTRL), "dynsec", "init", state, ADMIN, ADMIN_PASSWORD], check=True, capture_output=True)
    with mosquitto("allow_anonymous false", f"plugin {PLUGIN}", f"plugin_opt_config_file {state}") as port:
        yield port


@pytest.fixture(autouse=True)
def _configured(broker: int, settings: Settings) -> None:
    settings.MQTT_BROKER_HOST, settings.MQTT_BROKER_PORT = "127.0.0.1", broker
    settings.MQTT_DYNSEC_USER, settings.MQTT_DYNSEC_PASS = ADMIN, ADMIN_PASSWORD
    settings.MQTT_SHELLY_USER, settings.MQTT_SHELLY_PASS = OURS, "of-ecowatt"


def registered(home: Home, mac: str, **options: Any) -> Device:
    return device_register(home=home, hardware_id=mac, name=mac, key=key_make(), **options)


def account(device: Device) -> Account:
    device.refresh_from_db()
    found = account_of(device)
    assert found
    return found


class Login:
    """A connection with a broker: whether it was accepted, whether it still is, and what it heard."""

    def __init__(self, port: int, user: str, password: str, *filters: str) -> None:
        self.accepted: list[bool] = []
        self.granted: list[bool] = []
        self.heard: list[str] = []
        self.ended: list[bool] = []
        self._client = Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
        self._client.username_pw_set(user, password)
        self._client.on_connect = lambda _c, _d, _f, reason, _p: self.accepted.append(not reason.is_failure)
        self._client.on_message = lambda _c, _d, message: self.heard.append(message.topic)
        self._client.on_subscribe = lambda _c, _d, _m, reasons, _p: self.granted.extend(not one.is_failure for one in reasons)
        self._client.on_disconnect = lambda *_: self.ended.append(True)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        await_true("the broker answers the login", lambda: self.accepted)
        if filters and self.accepted[0]:
            self._client.subscribe([(one, 1) for one in filters])
            await_true("the broker answers the subscriptions", lambda: len(self.granted) == len(filters))

    def say(self, topic: str) -> None:
        self._client.publish(topic, b"{}", qos=1).wait_for_publish(10)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def login(broker: int) -> Iterator[Any]:
    opened: list[Login] = []

    def open_login(user: str, password: str, *filters: str) -> Login:
        opened.append(Login(broker, user, password, *filters))
        return opened[-1]

    yield open_login
    for one in opened:
        one.close()


def logged_in(login: Any, device: Device, *filters: str) -> Login:
    made = account(device)
    one: Login = login(made.user, made.password, *filters)
    assert one.accepted == [True]
    return one


def provision() -> str:
    out = StringIO()
    call_command("provision_broker", stdout=out)
    return out.getvalue()


def test_a_device_says_and_hears_what_is_its_own_and_one_that_publishes_as_another_is_refused(home: Home, login: Any) -> None:
    provision()
    kitchen, hall = registered(home, "aa0000000001"), registered(home, "aa0000000002", mqtt_prefix="casa/sala")
    changes_apply()
    (own,), (others,) = account(kitchen).topic_prefixes, account(hall).topic_prefixes
    ours = login(OURS, "of-ecowatt", "+/events/rpc", "+/+/events/rpc", f"{RPC_REPLIES}/#")
    said = [f"{own}/events/rpc", f"{RPC_REPLIES}/{own}/rpc", f"{RPC_REPLIES}/ingest-1/{own}", f"{RPC_REPLIES}/{own}"]
    forged = [f"{others}/events/rpc", f"{RPC_REPLIES}/{hall.hardware_id}/rpc", f"{RPC_REPLIES}/ingest-1/{others}"]
    for topic in [*forged, *said]:
        speaker = logged_in(login, kitchen)  # Mosquitto may hang up on who says what is denied
        speaker.say(topic)
    logged_in(login, hall).say(f"{others}/events/rpc")
    logged_in(login, hall).say(f"{RPC_REPLIES}/{hall.hardware_id}/rpc")
    await_true("the last word is heard", lambda: f"{RPC_REPLIES}/{hall.hardware_id}/rpc" in ours.heard)
    assert ours.heard == [*said, f"{others}/events/rpc", f"{RPC_REPLIES}/{hall.hardware_id}/rpc"]

    wanted = [f"{own}/rpc", f"{own}/command", f"{own}/command/switch:0", "shellies/command"]
    denied = [f"{others}/rpc", "+/rpc", "#", f"{own}/events/rpc", f"{RPC_REPLIES}/{own}"]
    listener = logged_in(login, kitchen, *wanted, *denied)
    assert listener.granted == [True] * len(wanted) + [False] * len(denied)
    for topic in wanted:
        ours.say(topic)
    await_true("the requests are heard", lambda: listener.heard == wanted)


@pytest.mark.parametrize("leave", [device_retire, device_delete])
def test_a_device_that_is_deleted_or_released_is_put_out_and_cannot_come_back(home: Home, login: Any, leave: Any) -> None:
    device = registered(home, "aa0000000003")
    changes_apply()
    made, inside = account(device), logged_in(login, device)
    leave(device=device)
    assert inside.ended == []
    changes_apply()
    await_true("it is put out", lambda: inside.ended)
    assert login(made.user, made.password).accepted == [False]


def test_our_own_account_hears_what_ingest_and_control_subscribe_to(login: Any) -> None:
    provision()
    shared = [f"$share/ecowatt/{one}/events/rpc" for one in ("+", "+/+", "+/+/+")]
    replies = [f"{RPC_REPLIES}/+", f"{RPC_REPLIES}/+/rpc", f"{RPC_REPLIES}/ingest-1/#"]
    wanted = [*shared, *replies, "+/status/+", "+/online", "shelly-1/events/rpc", "$SYS/broker/publish/messages/dropped"]
    assert login(OURS, "of-ecowatt", *wanted).granted == [True] * len(wanted)
    assert login(OURS, "of-ecowatt", "#").granted == [False]


def test_a_new_key_is_a_new_password(home: Home, login: Any) -> None:
    device = registered(home, "aa0000000005")
    changes_apply()
    before, inside = account(device), logged_in(login, device)
    device_key_rotate(device=device)
    changes_apply()
    await_true("who has the old password is put out", lambda: inside.ended)
    assert login(before.user, before.password).accepted == [False]
    logged_in(login, device)


def test_another_prefix_is_for_other_topics_and_another_name_puts_nobody_out(home: Home, login: Any) -> None:
    device = registered(home, "aa0000000006")
    changes_apply()
    device_update(device=device, name="Otro", mqtt_prefix="shellyplus1pm")
    assert changes_apply() == 0
    device_update(device=device, mqtt_prefix="casa/cocina")
    assert changes_apply() == 1
    assert logged_in(login, device, "casa/cocina-aa0000000006/rpc", "shellyplus1pm-aa0000000006/rpc").granted == [True, False]


def test_a_device_whose_model_is_learnt_goes_on_under_the_prefix_that_it_was_told(home: Home, login: Any) -> None:
    device = registered(home, "aa000000000b")
    device.mqtt_prefix = "shellypro4pm"
    device.save(update_fields=["mqtt_prefix"])
    changes_apply()
    wanted = ["shellypro4pm-aa000000000b/rpc", "shellyplus1pm-aa000000000b/rpc", "shellypro4pm-aa000000000a/rpc"]
    assert logged_in(login, device, *wanted).granted == [True, True, False]


def test_replaced_hardware_leaves_no_account_behind(home: Home, login: Any) -> None:
    device = registered(home, "aa000000000c")
    changes_apply()
    before = account(device)
    device_replace(device=device, hardware_id="aa000000000d", key=key_make())
    assert changes_apply() == 2
    assert login(before.user, before.password).accepted == [False]
    assert account(device).user == "aa000000000d"
    logged_in(login, device)


def test_a_broker_that_is_away_loses_nothing(home: Home, login: Any, settings: Settings, broker: int) -> None:
    device = registered(home, "aa0000000007")
    settings.MQTT_BROKER_PORT = 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("devices.ownership.dynamic_security.ANSWER_S", 0.5)
        with pytest.raises(BrokerAway):
            changes_apply()
        with pytest.raises(CommandError, match="does not answer"):
            provision()
    assert BrokerAccountChange.objects.get().hardware_id == "aa0000000007"
    settings.MQTT_BROKER_PORT = broker
    assert (changes_apply(), changes_apply()) == (1, 0)
    logged_in(login, device)


def test_provisioning_makes_every_account_anew_and_removes_those_of_none(home: Home, meter: Device, login: Any) -> None:
    gone, device = registered(home, "aa0000000008"), registered(home, "aa0000000009")
    changes_apply()
    left = account(gone)
    Device.objects.filter(pk=gone.pk).delete()
    BrokerAccountChange.objects.all().delete()
    said = provision()
    assert re.search(r"^1 devices' accounts made, [1-9]\d* of devices that are gone removed\n1 devices have no key", said)
    assert login(left.user, left.password).accepted == [False]
    logged_in(login, device)
    assert re.match(r"1 devices' accounts made, 0 of", provision())


def test_a_change_is_carried_out_after_its_commit_and_only_where_the_plugin_is_configured(
    home: Home, settings: Settings, django_capture_on_commit_callbacks: Any
) -> None:
    def queued() -> int:
        with redis.Redis.from_url(configured.REDIS_URL) as client:
            return int(client.llen("celery"))

    with django_capture_on_commit_callbacks(execute=True):
        device = registered(home, "aa000000000a")
        assert queued() == 0
    assert queued() == 1
    settings.MQTT_DYNSEC_USER = ""
    BrokerAccountChange.objects.all().delete()
    device_retire(device=device)
    assert not BrokerAccountChange.objects.exists()


def test_the_rules_are_those_of_a_broker_without_the_plugin() -> None:
    lines = [line.split(maxsplit=2) for line in RULES.read_text().splitlines() if line and not line.startswith(("#", "user"))]
    kinds = {"write": "publishClientSend", "read": "subscribePattern"}

    def rules(commands: list[dict[str, Any]]) -> set[tuple[str, str]]:
        (role,) = [one for one in commands if one["command"] == "createRole"]
        return {(one["acltype"], one["topic"]) for one in role["acls"]}

    def written(kind: str) -> set[tuple[str, str]]:
        return {(kinds[access], topic.replace("%u", "shelly-1")) for which, access, topic in lines if which == kind}

    shared = {rule for rule in rules(commands_for_ourselves(OURS, "")) if rule[1].startswith("$share/")}
    assert rules(commands_for_ourselves(OURS, "")) - shared == written("topic")
    assert rules(commands_to_make(Account("1", "", ("shelly-1",)))) == written("pattern")
