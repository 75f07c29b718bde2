"""History over HTTP for a home with 30 days of readings every 5 s, compared with the same home with one day of them.

Each home has its own database and its own Daphne. Complete 200 answers are requested one by one over a keep-alive connection, in turns;
304 answers to a tag that still holds are measured as well.
"""

import argparse
import io
import statistics
import time
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection

from _common import DAPHNE, new_database, percentile, report, server, services
from _home import families, past, token_of

PATHS = {
    "graph, 30 days": "/api/v1/history/graph?period=monthly",
    "last 7 days": "/api/v1/history/last7days",
    "dashboard": "/api/v1/dashboard/summary",
}
DAY = timedelta(days=1)


def seed(circuits: int, days: int, *, mains: bool = False) -> tuple[str, str, int]:
    """Create the home in two databases; return its token, the URL of the one with a day, and the number of readings in the other."""
    from django.core.management import call_command
    from django.db import connection

    from devices.models import Device

    call_command("load_cfe_prices", stdout=io.StringIO())
    [(user, device_ids)] = families(1, circuits=circuits)
    Device.objects.filter(pk=device_ids[0]).update(is_main=mains)
    now = datetime.now(UTC).replace(microsecond=0)
    count = past(device_ids, now - DAY, now)
    token = token_of(user)  # before the copy, because the token's session must be in both
    connection.close()
    small = new_database("ecowatt_bench_day", template="ecowatt_bench")
    count += past(device_ids, now - days * DAY, now - DAY)
    return token, small, count


def ask(connection: HTTPConnection, path: str, headers: dict[str, str], expected: int = 200) -> tuple[float, str]:
    """Return the time of the answer in ms, and its tag."""
    started = time.perf_counter()
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    elapsed = time.perf_counter() - started
    assert answer.status == expected, f"{path}: {answer.status} {body.decode()}"
    return elapsed * 1000, answer.headers["ETag"]


def measure(ports: dict[str, int], token: str, requests: int) -> dict[tuple[str, str], list[float]]:
    """Return the times by endpoint and variant: a database, or the large one with a tag."""
    headers = {"Authorization": f"Bearer {token}"}
    connections = {name: HTTPConnection("127.0.0.1", port) for name, port in ports.items()}
    times: dict[tuple[str, str], list[float]] = {(name, kind): [] for name in PATHS for kind in (*ports, "304")}
    for number in range(requests + 10):
        for name, path in PATHS.items():
            for kind, connection in connections.items():
                elapsed, tag = ask(connection, path, headers)
                if number >= 10:  # the first ones warm up
                    times[name, kind].append(elapsed)
            elapsed, tag = ask(connection, path, headers | {"If-None-Match": tag}, 304)
            times[name, "304"].append(elapsed)
    return times


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=200, help="requests per endpoint (%(default)s)")
    parser.add_argument("--circuits", type=int, default=5)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--mains", action="store_true", help="the first circuit measures the whole house")
    options = parser.parse_args()
    with services():
        token, small, count = seed(options.circuits, options.days, mains=options.mains)
        application = [*DAPHNE, "ecowatt.asgi:application"]
        with server(application, URL_DATABASE_SQL=small) as day, server(application) as month:
            times = measure({"1 day": day.port, "all": month.port}, token, options.requests)
    rows = [
        (
            name,
            *(percentile(times[name, "all"], share) for share in (0.5, 0.95)),
            statistics.median(times[name, "1 day"]),
            statistics.median(a / b for a, b in zip(times[name, "all"], times[name, "1 day"], strict=True)),
            statistics.median(times[name, "304"]),
        )
        for name in PATHS
    ]
    report("history", ["", "p50 ms", "p95 ms", "p50 ms of 1 day", "ratio", "p50 ms of 304"], rows, readings=count)
