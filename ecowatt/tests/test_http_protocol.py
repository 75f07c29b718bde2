"""What strangers may send to a running web process, whichever documented command has started it."""

import json
import re
import socket
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import connection
from django.utils import timezone

from accounts.models import User
from common.testing import await_true, free_port
from conftest import PASSWORD, access_token
from devices.models import Device
from tariffs.cfe.tariffs import PRICES_FILE
from telemetry.models import Series
from telemetry.tests.processes import Process

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x"
TOO_LARGE = {"detail": "El cuerpo de la petición es demasiado grande."}
UNDER_WAY = {"detail": "Ya estás descargando un archivo. Espera a que termine para pedir otro."}
NOT_JSON = {"detail": "El cuerpo de la petición debe ser JSON (application/json)."}
LIMIT = settings.WEB_BODY_LIMIT_BYTES
DAPHNE = ["-m", "daphne", "-p", "{}", "ecowatt.asgi:application"]
RUNSERVER = ["manage.py", "runserver", "--noreload", "{}"]
ANNOUNCED = f"Content-Length: {10 * LIMIT}"
CHUNKED = "Transfer-Encoding: chunked"


class Web(NamedTuple):
    """A running web process."""

    port: int
    process: Process

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answers(self) -> bool:
        try:
            return httpx.get(self.url, timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def peak_mb(self) -> int:
        """The most memory that it has ever had."""
        status = Path(f"/proc/{self.process.process.pid}/status").read_text()
        (kb,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
        return int(kb) // 1024

    def send(self, path: str, headers: Iterable[str], pieces: Iterable[bytes]) -> tuple[bytes, int]:
        """Post the pieces as long as somebody takes them; return the whole answer and how many bytes went away."""
        sent, answer = 0, b""
        with socket.create_connection(("127.0.0.1", self.port), 60) as caller:
            try:
                caller.sendall("\r\n".join([f"POST {path} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode())
                for piece in pieces:
                    caller.sendall(piece)
                    sent += len(piece)
                while more := caller.recv(65536):
                    answer += more
            except (ConnectionResetError, BrokenPipeError):
                pass
        return answer, sent


@pytest.fixture(scope="module", params=[DAPHNE, RUNSERVER], ids=["daphne", "runserver"])
def web(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, django_db_setup: None) -> Iterator[Web]:
    with running(tmp_path_factory.mktemp("web"), request.param) as started:
        yield started


@contextmanager
def running(folder: Path, command: list[str], **environment: str) -> Iterator[Web]:
    port = free_port()
    started = Web(port, Process(folder / "web.log", *(word.format(port) for word in command), **environment))
    try:
        await_true("the web process answers", started.answers)
        yield started
    finally:
        started.process.discard()


def ampersands(count: int, *, chunked: bool = False) -> Iterator[bytes]:
    piece = b"&" * 50_000
    framed = b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece
    for _ in range(count // len(piece)):
        yield framed


@pytest.mark.parametrize("path", ["/", "/api/v1/auth/login", "/api/v1/ingest/shelly", "/nowhere"])
@pytest.mark.parametrize("length", [ANNOUNCED, CHUNKED])
def test_who_sends_thirty_megabytes_is_told_that_it_is_too_much_and_hung_up_on(web: Web, path: str, length: str) -> None:
    before = web.peak_mb()
    answer, sent = web.send(path, [f"Content-Type: {FORM}", length], ampersands(10 * LIMIT, chunked=length == CHUNKED))
    assert (
        sent < 7 * LIMIT
    )  # twice the limit is read; what is on its way in the sockets of both sides, up to 10 MB, counts as sent
    assert not answer or answer.startswith(b"HTTP/1.1 413 ")
    assert web.peak_mb() - before < 16
    assert web.answers()


@pytest.mark.parametrize("length", ["Content-Length: 4000000", CHUNKED])
def test_a_body_that_is_somewhat_too_large_gets_its_answer_in_the_form_of_the_api(web: Web, length: str) -> None:
    pieces = [*ampersands(4_000_000, chunked=length == CHUNKED), *([b"0\r\n\r\n"] if length == CHUNKED else [])]
    head, _, body = web.send("/api/v1/auth/login", [f"Content-Type: {FORM}", length], pieces)[0].partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413 ")
    assert json.loads(body) == TOO_LARGE


def test_who_asks_before_sending_too_much_is_not_invited(web: Web) -> None:
    answer, _ = web.send("/", [ANNOUNCED, "Expect: 100-continue"], [])
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"100 Continue" not in answer


@pytest.mark.parametrize("kind", [FORM, MULTIPART])
def test_a_form_within_the_limit_is_not_read_before_somebody_wants_it(web: Web, kind: str) -> None:
    before = web.peak_mb()
    for content in (b"&" * (LIMIT - 100), b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n' * (LIMIT // 60)):
        answer = httpx.post(f"{web.url}/api/v1/auth/login", content=content, headers={"Content-Type": kind}, timeout=60)
        assert (answer.status_code, answer.json()) == (415, NOT_JSON)
    assert web.peak_mb() - before < 40  # Twisted's list of three million words takes more than 100


def test_a_body_within_the_limit_and_above_that_of_the_api_is_too_large(web: Web) -> None:
    answer = httpx.post(f"{web.url}/api/v1/auth/login", json={"user_email": "a" * (LIMIT - 100)}, timeout=60)
    assert (answer.status_code, answer.json()) == (413, TOO_LARGE)


def test_the_forms_of_the_admin_and_its_files_arrive(web: Web, transactional_db: None) -> None:
    password = PBKDF2PasswordHasher().encode("secreta-larga-1", "salt", 1)  # as the process reads it
    User.objects.create(email="admin@example.com", name="Admin", password=password, is_staff=True, is_superuser=True)
    with httpx.Client(base_url=web.url, timeout=60, follow_redirects=True) as browser:
        login = browser.get("/admin/login/").text
        words = {"username": "admin@example.com", "password": "secreta-larga-1", "csrfmiddlewaretoken": token_of(login)}
        assert str(browser.post("/admin/login/", data=words).url) == f"{web.url}/admin/"
        page = browser.get("/admin/tariffs/price/import/").text
        words = {"format": "0", "csrfmiddlewaretoken": token_of(page)}
        for file, said in [(PRICES_FILE.read_bytes(), "import_file_name"), (b"1" * 2_500_000, "El archivo es demasiado grande.")]:
            answer = browser.post("/admin/tariffs/price/import/", data=words, files={"import_file": ("prices.csv", file)})
            assert said in answer.text


def token_of(page: str) -> str:
    return str(re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[0])


def test_what_the_server_itself_refuses_is_refused_in_the_form_of_the_api(web: Web) -> None:
    answer, _ = web.send("/", ["X-Tab: up\x0band down", "Connection: close"], [])
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body) == {"detail": "La petición no es válida."}


def test_a_client_does_not_say_where_the_site_is_mounted(web: Web) -> None:
    answer = httpx.get(f"{web.url}/admin/", headers={"Daphne-Root-Path": "/evil"})
    assert answer.headers["Location"] == "/admin/login/?next=/admin/"


@pytest.mark.parametrize("begun", ["POST / HTTP/1.1\r\nHost: localhost\r\n", "POST / HTTP/1.1\r\nContent-Length: 999\r\n\r\n"])
def test_a_request_that_never_ends_is_hung_up_on_however_it_is_kept_alive(
    tmp_path: Path, begun: str, django_db_setup: None
) -> None:
    with running(tmp_path, DAPHNE, WEB_REQUEST_SECONDS="1") as web:
        assert until_hung_up_on(web.port, begun.encode()).startswith(b"HTTP/1.1 408 ")
        assert web.answers()


def until_hung_up_on(port: int, begun: bytes) -> bytes:
    """Begin a request and keep it alive with another line now and then; return the answer."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), 60) as caller, suppress(ConnectionError):
        caller.sendall(begun)
        caller.settimeout(0.2)
        while True:
            with suppress(TimeoutError):
                if not (more := caller.recv(65536)):
                    break
                answer += more
                continue
            caller.sendall(b"X: 1\r\n")
    return answer


HOURS = """
INSERT INTO telemetry_bucket_1h (
    device_id, channel, start, measured_wh, recovered_wh, returned_wh, covered_s, samples, power_min_w, power_mean_w, power_max_w, flags)
SELECT %s, channel, date_trunc('hour', now()) - hour * interval '1 hour', hour / 7.0, 0, 0, 3600, 720, hour / 3.0, hour / 7.0, hour, 0
FROM generate_series(1, 80000) hour, generate_series(0, 3) channel
"""


def long_past(meter: Device) -> str:
    """Give the meter some nine years of four channels, a file of more than twenty megabytes; return the path that asks for it."""
    Series.objects.bulk_create(Series(device_id=meter.pk, channel=channel) for channel in range(4))
    with connection.cursor() as cursor:
        cursor.execute(HOURS, [meter.pk])
    return f"/api/v1/history/export?resolution=1h&from={timezone.now().date() - timedelta(days=3_300)}"


def test_a_file_that_nobody_reads_is_not_made_and_keeps_the_user_from_another_until_it_is_hung_up_on(
    tmp_path: Path, transactional_db: None, owner: User, meter: Device
) -> None:
    path, bearer = long_past(meter), f"Bearer {access_token(owner)}"
    with running(tmp_path, DAPHNE, WEB_REQUEST_SECONDS="3") as web, socket.socket() as caller:
        before = web.peak_mb()
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        caller.settimeout(60)
        caller.connect(("127.0.0.1", web.port))
        caller.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {bearer}\r\n\r\n".encode())
        assert caller.recv(1_000).startswith(b"HTTP/1.1 200 ")
        refused = httpx.get(f"{web.url}{path}", headers={"Authorization": bearer})
        assert (refused.status_code, refused.json()) == (429, UNDER_WAY)
        assert int(refused.headers["Retry-After"]) > 0

        def begins() -> bool:
            with httpx.stream("GET", f"{web.url}{path}", headers={"Authorization": bearer}) as answer:
                return answer.status_code == 200

        await_true("the user may ask again", begins)
        assert not rest_of(caller).endswith(b"0\r\n\r\n")
        assert web.peak_mb() - before < 20


def rest_of(caller: socket.socket) -> bytes:
    """Return what comes until the other side has ended or broken the connection."""
    rest = b""
    with suppress(ConnectionError):
        while more := caller.recv(1_000_000):
            rest = (rest + more)[-100:]
    return rest


def test_a_file_comes_whole_and_another_may_follow_at_once(
    tmp_path: Path, transactional_db: None, owner: User, meter: Device
) -> None:
    path, lines = long_past(meter), 0
    headers = {"Authorization": f"Bearer {access_token(owner)}"}
    with running(tmp_path, DAPHNE) as web:
        for _again in range(2):
            with httpx.stream("GET", f"{web.url}{path}", headers=headers, timeout=60) as answer:
                lines = sum(piece.count(b"\n") for piece in answer.iter_bytes())
            assert lines > 4 * 75_000


def test_others_are_served_while_many_log_in(tmp_path: Path, transactional_db: None, owner: User) -> None:
    User.objects.update(password=PBKDF2PasswordHasher().encode(PASSWORD, "salt"))
    headers = {"Authorization": f"Bearer {access_token(User.objects.get())}"}
    body = {"user_email": owner.email, "user_password": PASSWORD}
    with running(tmp_path, DAPHNE, DATABASE_WEB_CONNECTIONS="1") as web, ThreadPoolExecutor(24) as pool:
        logins = [pool.submit(httpx.post, f"{web.url}/api/v1/auth/login", json=body, timeout=60) for _ in range(20)]
        others = [pool.submit(httpx.get, f"{web.url}/api/v1/users/me", headers=headers, timeout=60) for _ in range(4)]
        assert [other.result().status_code for other in others] == [200] * 4
        answers = [login.result() for login in logins]
    assert {200, 429} >= {answer.status_code for answer in answers} >= {200}
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers if answer.status_code == 429)


@pytest.mark.parametrize("path", ["/api/v1/ingest/shelly", "/api/v1/devices/", "/nowhere", "/ñ"])
def test_no_log_has_what_stands_in_a_query(web: Web, path: str) -> None:
    for name in ("key", "token"):
        web.send(f"{path}?{name}=un-secreto", ["Content-Length: 2", "Connection: close"], [b"{}"])
    await_true("the requests are logged", lambda: httpx.get(f"{web.url}/last") and "/last" in web.process.log.read_text())
    assert "un-secreto" not in web.process.log.read_text()
