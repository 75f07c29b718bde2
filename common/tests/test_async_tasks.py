import asyncio

from common.async_tasks import OnePerLoop, end


async def test_a_task_that_takes_a_cancellation_for_something_else_ends_all_the_same() -> None:
    survived = 0

    async def stubborn() -> None:
        nonlocal survived
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                survived += 1
                if survived == 3:
                    raise

    tasks = [asyncio.create_task(stubborn())]
    await asyncio.sleep(0)
    await end(tasks)
    assert tasks[0].cancelled()
    await end(tasks)


def test_each_event_loop_has_one_of_its_own_until_it_is_forgotten() -> None:
    one_per_loop: OnePerLoop[object] = OnePerLoop(object)

    async def both() -> tuple[object, object]:
        first = one_per_loop()
        assert one_per_loop() is first
        one_per_loop.forget(object())
        assert one_per_loop() is first
        one_per_loop.forget(first)
        return first, one_per_loop()

    made = {*asyncio.run(both()), *asyncio.run(both())}
    assert len(made) == 4
