from itertools import count
from typing import Any

from ecowatt.kept import kept


def test_an_answer_is_made_once_while_it_is_kept() -> None:
    numbers = count(1)
    assert [kept("kept:once", 60, lambda: next(numbers)) for _ in range(3)] == [1, 1, 1]
    assert kept("kept:other", 60, lambda: next(numbers)) == 2


def test_an_answer_of_nothing_is_an_answer() -> None:
    numbers = count(1)
    assert [kept("kept:empty", 60, lambda: [] if next(numbers) == 1 else [9]) for _ in range(2)] == [[], []]


def test_without_a_cache_an_answer_is_made_each_time(settings: Any) -> None:
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1"}}
    numbers = count(1)
    assert [kept("kept:away", 60, lambda: next(numbers)) for _ in range(2)] == [1, 2]
