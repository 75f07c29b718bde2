"""What becomes of readings while a server or a process is away: real servers stopped, killed and frozen under load.

An outage lasts until the processes have noticed and tried again, as they say themselves. Afterwards what was acknowledged is stored, once,
and buckets have the energy by which the counters moved.
"""

import contextlib
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import redis
from django.core.management import call_command
from django.db import connection
from environ import Env
from pytest_django.plugin import DjangoDbBlocker
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from accounts.models import User
from common.testing import await_true
from common.tests.mqtt.mosquitto import needed
from conftest import access_token, make_user
from devices.models import Device
from devices.presence.redis_scripts import SCHEDULE, SEEN
from telemetry.tests import servers
from telemetry.tests.installation import PATIENCE_S, SOME, WINDOW, Installation, meters_of
from telemetry.tests.load import PATH, Load, Poster
from telemetry.tests.processes import Process
from telemetry.tests.servers import Server

NOT_STORED = "readings not stored"
WITHOUT_REDIS = ("live frames not heard", "Redis is away")
TRIES = 3
BACKLOG = 4 * WINDOW


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ecowatt-") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def cluster() -> Iterator[tuple[Server, dict[str, Any]]]:
    """A PostgreSQL of this module's own, and its address as Django writes it."""
    with tempfile.TemporaryDirectory(prefix="ecowatt-") as name:
        server, url = servers.postgres(Path(name))
        server.start()
        yield server, dict(Env.db_url_config(url, engine="django.db.backends.postgresql"))
        server.stop()


@pytest.fixture
def postgres(cluster: tuple[Server, dict[str, Any]], django_db_blocker: DjangoDbBlocker) -> Iterator[Server]:
    """That PostgreSQL, as Django's database for the time of a test."""
    server, address = cluster
    if not server.is_running():  # a test failed half-way
        server.start()
    connection.close()
    before = dict(connection.settings_dict)
    connection.settings_dict.update(address)
    try:
        with django_db_blocker.unblock():
            call_command("migrate", verbosity=0)
            yield server
            connection.close()
    finally:
        server.thaw()
        connection.settings_dict.update(before)


@pytest.fixture
def memory(folder: Path) -> Iterator[tuple[Server, str]]:
    """A Redis and its address."""
    server, url = servers.redis_server(folder)
    server.start()
    yield server, url
    server.stop()


@pytest.fixture
def resident(postgres: Server) -> User:
    return make_user(f"{Device.objects.count()}@example.com")


@pytest.fixture
def here(folder: Path, resident: User, memory: tuple[Server, str]) -> Iterator[Installation]:
    installation = Installation(folder, meters_of(resident.home), memory[1])
    yield installation
    installation.discard()


def crash(postgres: Server) -> None:
    """Let PostgreSQL go without a word to anybody."""
    connection.close()
    postgres.stop()


def refusals(load: Load) -> list[int]:
    """Return how often each device that posts was refused."""
    return [len(sender.refusals) for sender in load.senders if isinstance(sender, Poster)]


def ingests(here: Installation) -> list[Process]:
    return [one for one in here.running if one.is_connected()]


def await_refusals(here: Installation, tries: int) -> None:
    """Wait until every device that posts was refused so often, and ingest failed so often."""
    await_true("devices are refused", lambda: min(refusals(here.load)) >= tries, PATIENCE_S)
    await_true("ingest tries again", lambda: all(one.times(NOT_STORED) >= tries for one in ingests(here)), PATIENCE_S)


def assert_form(load: Load) -> None:
    """Assert that each refusal was one of the API's, and said when to come again."""
    answers = [answer for sender in load.senders if isinstance(sender, Poster) for answer in sender.refusals]
    assert {answer.headers["content-type"] for answer in answers} == {"application/json"}
    assert {answer.json()["detail"] for answer in answers} == {"La base de datos no está disponible. Intenta de nuevo."}
    assert {answer.headers["retry-after"] for answer in answers} == {"5"}


def test_postgresql_that_crashes_under_load_loses_and_doubles_nothing(here: Installation, postgres: Server) -> None:
    load = here.start()
    crash(postgres)
    await_refusals(here, TRIES)
    postgres.start()
    load.await_more(SOME)
    assert_form(load)
    here.check()


def test_postgresql_that_hangs_for_ten_seconds_loses_and_doubles_nothing(here: Installation, postgres: Server) -> None:
    load = here.start()
    postgres.freeze()
    await_true("a device is refused", lambda: any(refusals(load)), PATIENCE_S)
    await_true("ingest notices", lambda: all(one.said(NOT_STORED) for one in ingests(here)), PATIENCE_S)
    postgres.thaw()
    load.await_more(SOME)
    assert_form(load)
    here.check()


class Phone(threading.Thread):
    """Watches a device, whose script posts what it measures now, for as long as its socket stays open."""

    def __init__(self, port: int, device: Device, user: User) -> None:
        super().__init__(daemon=True)
        self._url = f"http://127.0.0.1:{port}{PATH}"
        self._status = {"switch:0": {"apower": 5.0}, "sys": {"mac": device.hardware_id}}
        self._socket = connect(f"ws://127.0.0.1:{port}/ws/live/{device.pk}?token={access_token(user)}")
        self._newest = ""
        self.start()

    def run(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            for frame in self._socket:
                self._newest = orjson.loads(frame)["time"]

    def await_news(self) -> None:
        """Wait for a reading that was taken after now."""
        now = datetime.now(UTC).isoformat()
        await_true("a frame arrives", lambda: not self.is_alive() or self._newest > now or self._posts_in_vain())
        assert self.is_alive(), "the socket was closed"

    def _posts_in_vain(self) -> bool:
        httpx.post(self._url, json=self._status, timeout=60)
        return False

    def close(self) -> None:
        self._socket.close()
        self.join(10)


def test_without_redis_readings_go_in_and_live_comes_back_with_it(
    here: Installation, memory: tuple[Server, str], resident: User
) -> None:
    server, url = memory
    load = here.start()
    watched = Device.objects.create(home=here.meters.posting[0].home, hardware_id="a8032412ffff", name="Sala")
    phone = Phone(here.web_port, watched, resident)
    phone.await_news()
    server.stop()
    await_true("every process notices", lambda: all(any(map(one.said, WITHOUT_REDIS)) for one in here.running))
    load.await_more(SOME)
    assert not any(refusals(load))
    server.start()
    phone.await_news()
    with redis.Redis.from_url(url) as client:
        await_true("every device is seen", lambda: None not in client.zmscore(SEEN, list(here.meters.macs())))
    phone.close()
    here.check()


def gather_backlog(here: Installation, ingest: Process) -> None:
    """Let ingest stand still until the broker holds many messages for it, then go on."""
    ingest.process.send_signal(signal.SIGSTOP)
    await_true("a backlog gathers", lambda: here.backlog() > BACKLOG, PATIENCE_S)


@needed
def test_a_broker_that_is_stopped_keeps_what_it_acknowledged(here: Installation) -> None:
    ingest = here.start_ingest()
    load = here.start_load(publishes=True)
    gather_backlog(here, ingest)
    here.broker.stop()
    ingest.process.send_signal(signal.SIGCONT)
    await_true("ingest tries again", lambda: ingest.times("trying again") >= 2)
    here.broker.start()
    load.await_more(SOME)
    await_true("ingest resumes its session", lambda: ingest.said("resumed=True"))
    here.check()


@needed
@pytest.mark.parametrize(("how", "shared"), [(signal.SIGKILL, "false"), (signal.SIGTERM, "true")], ids=["killed", "shared"])
def test_a_broker_that_loses_what_it_acknowledged_costs_no_energy(here: Installation, how: signal.Signals, shared: str) -> None:
    """Mosquitto killed forgets what is in its memory alone, and shared subscriptions always. The counters tell the energy all the same."""
    ingest = here.start_ingest(MQTT_SHARED=shared)
    load = here.start_load(publishes=True)
    await_true("the first readings are stored", lambda: here.count() >= SOME)
    gather_backlog(here, ingest)
    here.broker.stop(how)
    here.broker.start()
    load.await_more(SOME)
    ingest.process.send_signal(signal.SIGCONT)
    await_true("ingest is back", lambda: ingest.times("connected to the broker") == 2)
    load.await_more(SOME)
    load.end()
    last = {(sender.mac, sender.sent_wh[-1]) for sender in load.senders}
    await_true("the last readings are stored", lambda: last <= set(here.stored()))
    assert set(here.stored()) < set(load.accepted())
    here.check_energy()


@needed
def test_an_ingest_that_is_killed_in_midstream_loses_and_doubles_nothing(here: Installation) -> None:
    ingest = here.start_ingest()
    load = here.start_load(publishes=True)
    gather_backlog(here, ingest)
    before = here.count()
    ingest.process.send_signal(signal.SIGCONT)
    await_true("it is at work", lambda: here.count() > before)
    assert ingest.end(signal.SIGKILL) == -signal.SIGKILL
    here.running.remove(ingest)
    load.await_more(SOME)
    here.start_ingest()
    here.check()


@needed
@pytest.mark.parametrize("hangs", [False, True], ids=["away", "hanging"])
def test_an_ingest_that_is_told_to_stop_without_a_database_leaves_everything_with_the_broker(
    here: Installation, postgres: Server, memory: tuple[Server, str], hangs: bool
) -> None:
    ingest = here.start_ingest()
    load = here.start_load(publishes=True)
    if hangs:
        postgres.freeze()
        fall_silent(memory[1], here.meters.posting[0])
    else:
        crash(postgres)
        await_true("ingest notices", lambda: ingest.said(NOT_STORED))
    load.await_more(SOME)
    assert ingest.end() == 0
    here.running.remove(ingest)
    if hangs:
        postgres.thaw()
    else:
        postgres.start()
    here.start_ingest()
    here.check()


def fall_silent(redis_url: str, device: Device) -> None:
    """Let a device have said nothing for long, so that ingest asks the database for its address on a thread."""
    with redis.Redis.from_url(redis_url) as client:
        client.zadd(SEEN, {str(device.pk): 1.0})
        client.zadd(SCHEDULE, {str(device.pk): time.time()})
