"""The schedules that a Shelly keeps itself: calls at local times. Source: the maker's description of the Schedule service."""

from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from devices.simulator.shelly.errors import RESOURCE_EXHAUSTED, RpcError, invalid, missing, not_found
from devices.simulator.shelly.timespec import Timespec

MOST_JOBS, MOST_CALLS = 20, 5


class Job(NamedTuple):
    """A schedule: its body as the device lists it, and when it is due on the device's clock (None: never)."""

    body: dict[str, Any]
    timespec: Timespec
    due: float | None


class Schedules:
    """The jobs of one device. Times are the device's own clock, seconds since the epoch."""

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone, self.revision = zone, 0
        self.jobs: dict[int, Job] = {}
        self._last_id = 0

    def create(self, params: dict[str, Any], now: float) -> dict[str, Any]:
        """Raises RpcError."""
        if "timespec" not in params:
            raise missing("timespec")
        if "calls" not in params:
            raise missing("calls")
        if len(self.jobs) >= MOST_JOBS:
            raise RpcError(RESOURCE_EXHAUSTED, f"Too many schedules, limit is {MOST_JOBS}!")
        job = self._job({"id": self._last_id + 1, "enable": True}, params, now)
        self._last_id += 1
        self.jobs[self._last_id] = job
        self.revision += 1
        return {"id": self._last_id, "rev": self.revision}

    def update(self, params: dict[str, Any], now: float) -> dict[str, Any]:
        """Raises RpcError."""
        before = self._found(params)
        self.jobs[before.body["id"]] = self._job(before.body, params, now)
        return self._revised()

    def delete(self, params: dict[str, Any]) -> dict[str, Any]:
        """Raises RpcError."""
        del self.jobs[self._found(params).body["id"]]
        return self._revised()

    def delete_all(self) -> dict[str, Any]:
        self.jobs.clear()
        return self._revised()

    def listed(self) -> dict[str, Any]:
        return {"jobs": [job.body for job in self.jobs.values()], "rev": self.revision}

    def take_due(self, now: float) -> list[dict[str, Any]]:
        """Return the calls of the jobs that are due, in the order of their times; each job is due again at its next time."""
        due = sorted((job.due, number) for number, job in self.jobs.items() if job.due is not None and job.due <= now)
        for _, number in due:
            self.jobs[number] = self._planned(self.jobs[number], now)
        return [call for _, number in due for call in self.jobs[number].body["calls"]]

    def replan(self, now: float) -> None:
        """Plan all jobs anew after the device's clock was set."""
        self.jobs = {number: self._planned(job, now) for number, job in self.jobs.items()}

    def _revised(self) -> dict[str, Any]:
        self.revision += 1
        return {"rev": self.revision}

    def _found(self, params: dict[str, Any]) -> Job:
        if "id" not in params:
            raise missing("id")
        job = self.jobs.get(params["id"]) if isinstance(params["id"], int) else None
        if job is None:
            raise not_found("id", params["id"])
        return job

    def _job(self, before: dict[str, Any], params: dict[str, Any], now: float) -> Job:
        body = before | {key: params[key] for key in ("enable", "timespec", "calls") if key in params}
        if not isinstance(body["enable"], bool):
            raise invalid("enable")
        try:
            timespec = Timespec.parse(body["timespec"])
        except (ValueError, AttributeError):
            raise invalid("timespec") from None
        calls = body["calls"]
        if not isinstance(calls, list) or not 1 <= len(calls) <= MOST_CALLS or not all(map(_is_call, calls)):
            raise invalid("calls")
        return self._planned(Job(body, timespec, None), now)

    def _planned(self, job: Job, now: float) -> Job:
        return job._replace(due=job.timespec.next_after(now, self.zone) if job.body["enable"] else None)


def _is_call(call: object) -> bool:
    return isinstance(call, dict) and isinstance(call.get("method"), str) and isinstance(call.get("params", {}), dict)
