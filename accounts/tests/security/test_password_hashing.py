"""Password hashes: as many at once as cores; that no connection is held meanwhile is shown with a web process, in ecowatt."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.exceptions import Busy, TooManyAttempts
from accounts.models import User
from accounts.security import password_hashing as hashing
from accounts.tests.requests import login
from common.testing import await_true
from conftest import PASSWORD


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cores, room for three of a network and five in all."""
    monkeypatch.setattr(hashing, "free_cores", threading.BoundedSemaphore(2))
    monkeypatch.setattr(hashing, "MOST_OF_A_NETWORK", 3)
    monkeypatch.setattr(hashing, "MOST", 5)


@pytest.mark.usefixtures("small")
def test_as_many_hash_at_once_as_there_are_cores_and_who_is_too_many_is_told_at_once() -> None:
    inside, done = threading.Semaphore(0), threading.Event()

    def hash_for(network: str) -> str:
        with hashing.turn(network):
            inside.release()
            done.wait(60)
        return network

    with ThreadPoolExecutor(5) as pool:
        running = [pool.submit(hash_for, "a") for _ in range(3)]
        assert inside.acquire(timeout=60)
        assert inside.acquire(timeout=60)
        await_true("three of the network are counted", lambda: hashing.under_way("a") == 3)
        with pytest.raises(TooManyAttempts), hashing.turn("a"):
            pass
        running += [pool.submit(hash_for, "b") for _ in range(2)]
        await_true("five are counted", lambda: hashing.under_way() == 5)
        with pytest.raises(Busy), hashing.turn("c"):
            pass
        assert not inside.acquire(blocking=False)
        done.set()
        assert [one.result(60) for one in running] == ["a", "a", "a", "b", "b"]
    assert hashing.under_way() == 0


@pytest.mark.usefixtures("small")
def test_a_login_for_which_there_is_no_room_says_when_to_come_back_and_counts_for_nothing(
    anonymous_api: APIClient, owner: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashing, "free_cores", threading.BoundedSemaphore(9))
    settings.LOGIN_FAILURES_PER_ACCOUNT_AND_NETWORK_PER_HOUR = 1
    own, others = 3 * ["127.0.0.0/24"], [*3 * ["one"], *2 * ["another"]]
    for busy, code in ((own, 429), (others, 503)):
        with ExitStack() as held:
            for network in busy:
                held.enter_context(hashing.turn(network))
            answer = login(anonymous_api, owner.email, PASSWORD)
        assert (answer.status_code, answer["Retry-After"]) == (code, "2")
        assert answer.json()["detail"]
    assert login(anonymous_api, owner.email, PASSWORD).status_code == 200
