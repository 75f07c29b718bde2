"""Run a command on Debian's PostgreSQL, Redis and Mosquitto: on spare ports, in a scratch folder, ended with the command."""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BINARIES = Path("/usr/lib/postgresql/15/bin")
TIMEOUT_S = 30


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def await_port(name: str, port: int, process: "subprocess.Popen[bytes]") -> None:
    """Wait until the server listens."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"{name} does not answer on port {port}")
            time.sleep(0.1)
        else:
            return


def own_user() -> list[str]:
    """PostgreSQL refuses to run as root: return what runs a command as its own account instead."""
    return ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []


def postgres(folder: Path) -> tuple[str, list[str], int]:
    """Make a cluster; return its URL, the command that serves it and its port."""
    data, port = folder / "postgres", free_port()
    data.mkdir()
    if os.geteuid() == 0:
        account = pwd.getpwnam("postgres")
        os.chown(data, account.pw_uid, account.pw_gid)
    initdb = [*own_user(), str(BINARIES / "initdb"), "-D", str(data), "-U", "postgres", "--auth=trust", "-E", "UTF8", "--no-sync"]
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd="/")
    settings = ["fsync=off", "max_connections=300", "listen_addresses=127.0.0.1", f"unix_socket_directories={data}"]
    options = [part for setting in settings for part in ("-c", setting)]
    serve = [*own_user(), str(BINARIES / "postgres"), "-D", str(data), "-p", str(port), *options]
    return f"postgresql://postgres@127.0.0.1:{port}/postgres", serve, port


def redis(folder: Path) -> tuple[str, list[str], int]:
    """Return Redis's URL, the command that serves it and its port."""
    port, password = free_port(), secrets.token_urlsafe(16)
    config = folder / "redis.conf"
    config.write_text(f'bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave ""\n')
    return f"redis://:{password}@127.0.0.1:{port}/0", ["redis-server", str(config)], port


def mosquitto(folder: Path) -> tuple[list[str], int]:
    """Return the command that serves MQTT and its port."""
    port = free_port()
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n")
    return [shutil.which("mosquitto") or "/usr/sbin/mosquitto", "-c", str(config)], port


def main(command: list[str]) -> int:
    """Start the servers, run the command on them, end them; return the command's exit code."""
    scratch = tempfile.mkdtemp(prefix="ecowatt-ci-")
    folder = Path(scratch)
    folder.chmod(0o755)
    running: list[subprocess.Popen[bytes]] = []
    try:
        database_url, serve_database, database_port = postgres(folder)
        redis_url, serve_redis, redis_port = redis(folder)
        serve_broker, broker_port = mosquitto(folder)
        servers = {
            "PostgreSQL": (serve_database, database_port),
            "Redis": (serve_redis, redis_port),
            "Mosquitto": (serve_broker, broker_port),
        }
        with (folder / "servers.log").open("wb") as log:
            for name, (serve, port) in servers.items():
                running.append(subprocess.Popen(serve, stdout=log, stderr=log, cwd="/"))
                await_port(name, port, running[-1])
        environment = {"URL_DATABASE_SQL": database_url, "URL_DATABASE_REDIS": redis_url}
        environment |= {"MQTT_BROKER_HOST": "127.0.0.1", "MQTT_BROKER_PORT": str(broker_port)}
        return subprocess.run(command, env=os.environ | environment, check=False).returncode
    finally:
        for process in reversed(running):
            process.terminate()
        for process in running:
            process.wait(TIMEOUT_S)
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
