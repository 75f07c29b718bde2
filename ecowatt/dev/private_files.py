"""Files and folders below `.local` that their owner alone may read."""

import os
import secrets
from pathlib import Path

from ecowatt.env_files import LOCAL


def make_private(folder: Path) -> None:
    """Make a folder that its owner alone may enter, and close one from before, with what lies in it; the database closes its own."""
    for missing in reversed([each for each in (folder, *folder.parents) if not each.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    (folder / "lock").touch(mode=0o600)
    for path in folder.iterdir():
        if path.stat().st_mode & 0o077:
            path.chmod(0o700 if path.is_dir() else 0o600)


def local_key(folder: Path = LOCAL) -> str:
    """Return this checkout's signing key, made at its first use, so that logins outlive a restart."""
    path = folder / "key"
    if not path.exists():
        write_private(path, secrets.token_urlsafe(48))
    return path.read_text()


def write_private(path: Path, content: str) -> None:
    """Write a file that its owner alone may read: all of it or nothing."""
    new = path.with_name(f"{path.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    new.write_text(content)
    new.replace(path)
