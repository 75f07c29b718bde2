"""Password hashes: as many at once as cores; that no connection is held meanwhile is shown with a web process, in ecowatt."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.exceptions import Busy, TooManyAttempts
from accounts.models import User
from accounts.security import password_hashing as hashing
from accounts.tests.security.test_rate_limits import login
from conftest import PASSWORD


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cores, room for three of a network and five in all."""
    monkeypatch.setattr(hashing, "_cores", threading.BoundedSemaphore(2))
    monkeypatch.setattr(hashing, "MOST_OF_A_NETWORK", 3)
    monkeypatch.setattr(hashing, "MOST", 5)


def await_true(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.usefixtures("small")
def test_as_many_hash_at_once_as_there_are_cores_and_who_is_too_many_is_told_at_once() -> None:
    inside, done = threading.Semaphore(0), threading.Event()

    def hash_for(network: str) -> str:
        with hashing.turn(network):
            inside.release()
            done.wait(20)
        return network

    with ThreadPoolExecutor(5) as pool:
        running = [pool.submit(hash_for, "a") for _ in range(3)]
        assert inside.acquire(timeout=20)
        assert inside.acquire(timeout=20)
        await_true(lambda: hashing._under_way["a"] == 3)
        with pytest.raises(TooManyAttempts), hashing.turn("a"):
            pass
        running += [pool.submit(hash_for, "b") for _ in range(2)]
        await_true(lambda: hashing._under_way.total() == 5)
        with pytest.raises(Busy), hashing.turn("c"):
            pass
        assert not inside.acquire(blocking=False)
        done.set()
        assert [one.result(20) for one in running] == ["a", "a", "a", "b", "b"]
    assert not hashing._under_way


@pytest.mark.usefixtures("small")
def test_a_login_for_which_there_is_no_room_says_when_to_come_back_and_counts_for_nothing(
    anonymous_api: APIClient, owner: User, settings: Any
) -> None:
    settings.LOGIN_FAILURES_PER_ACCOUNT_AND_NETWORK_PER_HOUR = 1
    for busy, code in (("127.0.0.0/24", 429), ("else", 503)):
        hashing._under_way.update({busy: 5 if code == 503 else 3})
        answer = login(anonymous_api, owner.email, PASSWORD)
        assert (answer.status_code, answer["Retry-After"]) == (code, "2")
        assert answer.json()["detail"]
        hashing._under_way.clear()
    assert login(anonymous_api, owner.email, PASSWORD).status_code == 200
