from itertools import count
from typing import Any

import pytest
from django.core.cache import cache

from common.cache import cached, key_of


class Gone:
    """A class of the release before."""


def test_an_answer_is_made_once_while_it_is_kept() -> None:
    numbers = count(1)
    assert [cached("kept:once", 60, lambda: next(numbers)) for _ in range(3)] == [1, 1, 1]
    assert cached("kept:other", 60, lambda: next(numbers)) == 2


def test_an_answer_of_nothing_is_an_answer() -> None:
    numbers = count(1)
    assert [cached("kept:empty", 60, lambda: [] if next(numbers) == 1 else [9]) for _ in range(2)] == [[], []]


def test_without_a_cache_an_answer_is_made_each_time(settings: Any) -> None:
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1"}}
    numbers = count(1)
    assert [cached("kept:away", 60, lambda: next(numbers)) for _ in range(2)] == [1, 2]


def test_what_another_release_has_kept_and_nobody_can_read_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    cache.set("kept:old", Gone(), 60)
    monkeypatch.delattr("common.tests.test_cache.Gone")
    assert cached("kept:old", 60, lambda: 1) == cached("kept:old", 60, lambda: 2) == 1


def test_a_key_hangs_on_every_part() -> None:
    keys = {key_of("kept", 1, 23), key_of("kept", 12, 3), key_of("kept", [1, 23]), key_of("other", 1, 23)}
    assert len(keys) == 4
    assert key_of("kept", 1, "a b") == key_of("kept", 1, "a b")
