"""What proves a claim, and what does not."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from asgiref.sync import async_to_sync
from django.conf import settings as configured

from devices.discovery import FACTS, KEPT_S, UNPROVEN, UnprovenDevice, note_unproven, seen_among
from devices.ownership.proofs import LEAST_SWITCHINGS, MOST_SWITCHINGS_ASKED, Challenge, Proof, proof_of, switchings_seen
from devices.ownership.switch_challenges import challenge_start, challenges_of

MAC = "34987ae4d353"
HOUSE, ELSEWHERE = "189.203.1.2", "187.190.7.8"
NOW = 1_800_000_000.0
POSTED = UnprovenDevice(MAC, "", 40.0, HOUSE, place=HOUSE, is_on=True)
ASKED = Challenge(3, NOW, NOW + 90)


@pytest.fixture
def store() -> Iterator[redis.Redis]:
    with redis.Redis.from_url(configured.REDIS_URL) as client:
        client.delete(UNPROVEN, FACTS)
        yield client
        client.delete(UNPROVEN, FACTS)


@async_to_sync
async def note(device: UnprovenDevice, at: float) -> None:
    async with redis.asyncio.Redis.from_url(configured.REDIS_URL) as client:
        await note_unproven(client, [device], at)


def seen(store: Any, at: float) -> UnprovenDevice | None:
    return seen_among(store, [MAC], now=at).get(MAC)


@pytest.mark.parametrize(
    ("device", "proof"),
    [
        (None, None),
        (POSTED, None),
        (POSTED._replace(places=(HOUSE,)), Proof.ADDRESS),
        (POSTED._replace(places=(ELSEWHERE,)), None),
        (POSTED._replace(places=(HOUSE, ELSEWHERE)), None),
        (POSTED._replace(places=(HOUSE, "private")), None),
        (POSTED._replace(places=("broker", HOUSE)), None),
        (POSTED._replace(places=("broker",), switched_at=(NOW + 1, NOW + 30, NOW + 60)), Proof.SWITCHING),
        (POSTED._replace(places=(HOUSE, ELSEWHERE), has_account=True), Proof.ACCOUNT),
        (POSTED._replace(places=("private",), switched_at=(NOW + 1, NOW + 30, NOW + 60)), Proof.SWITCHING),
        (POSTED._replace(places=("private",), switched_at=(NOW + 1, NOW + 30)), None),
        (POSTED._replace(places=("private",), switched_at=(NOW + 1, NOW + 20, NOW + 30, NOW + 60)), None),
        (POSTED._replace(places=("private",), switched_at=(NOW, NOW + 30, NOW + 60, NOW + 91)), None),
        (POSTED._replace(places=(ELSEWHERE, "private"), switched_at=(NOW + 1, NOW + 30, NOW + 60)), None),
    ],
)
def test_a_proof_is_what_only_the_holder_of_the_device_can_show(device: UnprovenDevice | None, proof: Proof | None) -> None:
    assert proof_of(device, address=HOUSE, challenge=ASKED) is proof


def test_switchings_of_before_and_without_a_challenge_show_nothing() -> None:
    switched = POSTED._replace(places=(ELSEWHERE,), switched_at=(NOW - 40, NOW - 20, NOW - 1))
    assert switchings_seen(switched, ASKED) == 0
    assert proof_of(switched, address=HOUSE, challenge=ASKED) is proof_of(switched, address=HOUSE) is None
    assert proof_of(POSTED._replace(places=(HOUSE,)), address=None) is None


def test_switchings_and_places_are_remembered_with_the_device(store: redis.Redis) -> None:
    for second, is_on in enumerate([True, True, False, False, True, None, True]):
        note(POSTED._replace(is_on=is_on), NOW + second)
    found = seen(store, NOW + 7)
    assert found is not None
    assert (found.places, found.is_on, found.switched_at) == ((HOUSE,), True, (NOW + 2, NOW + 4))
    note(POSTED._replace(address=None, place="private"), NOW + 8)
    found = seen(store, NOW + 9)
    assert found is not None
    assert (found.places, found.address) == ((HOUSE, "private"), HOUSE)


def test_a_place_counts_for_an_hour(store: redis.Redis) -> None:
    note(POSTED, NOW)
    note(UnprovenDevice(MAC, "shellypro4pm", None, None, has_account=True), NOW + KEPT_S - 1)
    found = seen(store, NOW + KEPT_S)
    assert found is not None
    assert (found.places, found.model, found.has_account) == (("broker",), "shellypro4pm", True)
    assert seen(store, NOW + 2 * KEPT_S) is None


def test_no_more_than_a_few_places_and_switchings_are_kept(store: redis.Redis) -> None:
    for second in range(50):
        note(POSTED._replace(is_on=bool(second % 2), place=f"189.203.1.{second}"), NOW + second)
    found = seen(store, NOW + 50)
    assert found is not None
    assert (len(found.places), found.switched_at) == (4, tuple(NOW + second for second in range(30, 50)))


def test_a_challenge_is_of_one_home_and_device_and_asks_by_chance(store: redis.Redis) -> None:
    now = time.time()
    asked = {challenge_start(store, home_id=1, mac=MAC, now=now).switchings for _ in range(200)}
    assert asked == set(range(LEAST_SWITCHINGS, MOST_SWITCHINGS_ASKED + 1))
    last = challenge_start(store, home_id=1, mac=MAC, now=now)
    assert last.until == now + 30 * last.switchings
    assert challenges_of(store, home_id=1, macs=[MAC, "000000000000"]) == {MAC: last}
    assert challenges_of(store, home_id=2, macs=[MAC]) == {}
