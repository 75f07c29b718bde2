"""A Mosquitto of a test's own."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.testing import await_true, free_port, listens

BINARY = shutil.which("mosquitto") or ("/usr/sbin/mosquitto" if Path("/usr/sbin/mosquitto").exists() else None)
# CI has to have it: what is skipped there would be skipped for ever.
needed = pytest.mark.skipif(BINARY is None and not os.environ.get("CI"), reason="Mosquitto is not installed")


@contextlib.contextmanager
def mosquitto(*lines: str, port: int = 0) -> Iterator[int]:
    """Run a broker as deploy/mosquitto sets it, on a free port unless one is given; give its port."""
    assert BINARY, "CI installs Mosquitto"
    port = port or free_port()
    with tempfile.TemporaryDirectory(prefix="ecowatt-mqtt-") as folder:
        config = Path(folder) / "mosquitto.conf"
        given = "\n".join(lines)
        config.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nsys_interval 1\nuser root\n{given}\n"
        )
        process = subprocess.Popen([BINARY, "-c", str(config)], stderr=subprocess.DEVNULL)
        try:
            await_true("the broker listens", lambda: listens(port))
            yield port
        finally:
            process.terminate()
            process.wait(60)


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1 and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, *name]
    subprocess.run(made, check=True, capture_output=True)
    return certificate, key
