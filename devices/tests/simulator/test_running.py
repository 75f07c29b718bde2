import asyncio
import time
from typing import Any

from common.testing import await_true
from devices.simulator.clock import Clock
from devices.simulator.connections.running import MOST_WAITING, RunningDevice, Timing
from devices.tests.simulator.shelly.devices_to_test import device


def request(number: int, **params: Any) -> dict[str, Any]:
    return {"id": number, "src": "asker", "method": "Switch.Set", "params": {"id": 0, **params}}


async def test_it_ends_even_if_it_is_woken_in_the_moment_of_its_cancellation() -> None:
    running = RunningDevice(device(now=time.time()), Clock())
    task = asyncio.create_task(running.run())
    for _ in range(3):  # until it waits
        await asyncio.sleep(0)
    running.flush()
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=10)
    assert done


async def test_it_obeys_one_after_another_in_order_and_loses_what_is_too_much() -> None:
    running = RunningDevice(device(now=time.time()), Clock(), timing=Timing(obeys=(0.0, 0.001)))
    answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    for number in range(MOST_WAITING + 5):
        running.receive(request(number, on=number % 2 == 0), source="MQTT", reply=answers.put_nowait)
    task = asyncio.create_task(running.run())
    got = [await asyncio.wait_for(answers.get(), 10) for _ in range(MOST_WAITING)]
    assert [one["id"] for one in got] == list(range(MOST_WAITING))
    assert [one["result"]["was_on"] for one in got] == [True, *(number % 2 == 0 for number in range(MOST_WAITING - 1))]
    assert answers.empty()
    assert running.counts == {"requests": MOST_WAITING + 5, "answers": MOST_WAITING}
    task.cancel()


async def test_a_timer_is_kept_to_its_own_time_and_not_to_the_next_second() -> None:
    running = RunningDevice(device(now=time.time()), Clock(), timing=Timing(obeys=(0.0, 0.0)))
    answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    task = asyncio.create_task(running.run())
    running.receive(request(1, on=False, toggle_after=0.2), source="MQTT", reply=answers.put_nowait)
    await asyncio.wait_for(answers.get(), 10)
    due = running.device.relays[0].timer.due
    assert running.device.next_due(due - 0.15) == due
    await asyncio.to_thread(await_true, "it is on again", lambda: running.device.relays[0].is_on)
    task.cancel()
