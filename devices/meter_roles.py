"""When a device has measured the whole house, and when a circuit of it. Pure."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

HOUR = timedelta(hours=1)
EVER, FOREVER = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


class Role(NamedTuple):
    """A device as a circuit of its home, or as its mains (it measures the whole house), in the whole hours [since, until)."""

    device_id: int
    is_main: bool = False
    since: datetime = EVER
    until: datetime = FOREVER


def roles_over_time(device_id: int, *, is_main: bool, changes: Iterable[datetime], retired_at: datetime | None) -> list[Role]:
    """Return the roles of a device that is the mains now (or a circuit) and became the other at each of the changes, in order of time.

    An hour in which it was the mains for a moment is the mains' whole: what measures the house adds to no circuit.
    """
    edges = [EVER, *sorted(changes), FOREVER]
    is_main = is_main == bool(len(edges) % 2 == 0)  # before the first change
    roles: list[Role] = []
    for start, end in pairwise(edges):
        role = Role(device_id, True, _floor(start), _ceil(end)) if is_main else Role(device_id, False, _ceil(start), _floor(end))
        if roles and roles[-1].is_main and is_main:
            roles[-1] = roles[-1]._replace(until=role.until)
        elif role.since < role.until:
            roles.append(role)
        is_main = not is_main
    return [_ended(role, retired_at) if retired_at else role for role in roles]


def _ended(role: Role, retired_at: datetime) -> Role:
    """Return the role of a device that nobody waits for once it is retired."""
    return role._replace(until=min(role.until, _ceil(retired_at)))


def _floor(time: datetime) -> datetime:
    return time.replace(minute=0, second=0, microsecond=0)


def _ceil(time: datetime) -> datetime:
    return time if time == _floor(time) else _floor(time) + HOUR
