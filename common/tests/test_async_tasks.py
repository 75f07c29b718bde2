import asyncio

from common.async_tasks import end


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
