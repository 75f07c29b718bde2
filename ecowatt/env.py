"""Typed values from the environment. A missing or bad one raises ImproperlyConfigured: its name, what it takes, an example."""

import math
import os
from decimal import Decimal, InvalidOperation
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

SEE = "See .env.example."
YES, NO = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}
SECRET_LENGTH = 32


def text(name: str, default: str = "") -> str:
    """Return the value without the spaces around it; an empty one counts as missing."""
    return os.environ.get(name, "").strip() or default


def secret(name: str) -> str:
    """Return a signing key. It must be there, and be long enough that nobody guesses it."""
    value = text(name)
    cure = 'Make one with: python -c "import secrets; print(secrets.token_urlsafe(48))"'
    if not value:
        raise ImproperlyConfigured(f"{name} is not set. {cure} {SEE}")
    if len(value) < SECRET_LENGTH:
        raise ImproperlyConfigured(f"{name} has {len(value)} characters, but it takes at least {SECRET_LENGTH}. {cure} {SEE}")
    return value


def flag(name: str, *, default: bool = False) -> bool:
    """Return whether the value says yes."""
    value = text(name, str(default)).lower()
    if value not in YES | NO:
        raise ImproperlyConfigured(f"{name} is {value!r}, but it takes true or false. {SEE}")
    return value in YES


def integer(name: str, default: int, *, at_least: int = 0, at_most: int = 1_000_000) -> int:
    """Return a whole number within the bounds, which both are allowed."""
    value = text(name, str(default))
    try:
        number = int(value)
    except ValueError:
        number = at_least - 1
    if not at_least <= number <= at_most:
        raise ImproperlyConfigured(f"{name} is {value!r}, but it takes a whole number from {at_least} to {at_most}. {SEE}")
    return number


def port(name: str, default: int) -> int:
    """Return a TCP port."""
    return integer(name, default, at_least=1, at_most=65_535)


def number(name: str, default: float, *, at_least: float) -> float:
    """Return a finite number that is not below the bound."""
    value = text(name, str(default))
    try:
        found = float(value)
    except ValueError:
        found = math.nan
    if not math.isfinite(found) or found < at_least:
        raise ImproperlyConfigured(f"{name} is {value!r}, but it takes a number of at least {at_least:g}. {SEE}")
    return found


def decimal_or_none(name: str) -> Decimal | None:
    """Return a decimal number that is not negative, or None where there is none."""
    value = text(name)
    if not value:
        return None
    try:
        found = Decimal(value)
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite() or found < 0:
        raise ImproperlyConfigured(f"{name} is {value!r}, but it takes a number such as 0.444, or nothing. {SEE}")
    return found


def choice(name: str, default: str, choices: tuple[str, ...]) -> str:
    """Return one of the choices, matched without regard to case."""
    value = text(name, default)
    found = next((one for one in choices if one.lower() == value.lower()), None)
    if found is None:
        raise ImproperlyConfigured(f"{name} is {value!r}, but it takes one of: {', '.join(choices)}. {SEE}")
    return found


def words(name: str, default: tuple[str, ...] = ()) -> list[str]:
    """Return the words between commas."""
    return [word.strip() for word in text(name).split(",") if word.strip()] or list(default)


def origins(name: str) -> list[str]:
    """Return web origins: scheme and host, without a path."""
    found = words(name)
    for value in found:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path:
            raise ImproperlyConfigured(f"{name} has {value!r}, but it takes origins such as https://app.example.com. {SEE}")
    return found


def address(name: str, *, schemes: tuple[str, ...], example: str) -> str:
    """Return a service's URL. It must be there and have one of the schemes; its password is kept out of the message."""
    value = text(name)
    cure = f"It takes an address such as {example}; `make run` brings a service of its own. {SEE}"
    if not value:
        raise ImproperlyConfigured(f"{name} is not set. {cure}")
    if not _is_url(value, schemes):
        raise ImproperlyConfigured(f"{name} can't be read. {cure}")
    return value


def _is_url(value: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in schemes and (parts.port is None or parts.port > 0) and bool(parts.netloc or parts.path)
    except ValueError:  # a port that is no number, a bad IPv6 address
        return False


def sender(name: str, default: str, *, required_by: str) -> str:
    """Return a mail address, with or without a name; there is no default where the other setting is there."""
    value = text(name)
    if not value and text(required_by):
        raise ImproperlyConfigured(f"{name} is not set, but {required_by} is: mail needs a sender that the service knows. {SEE}")
    if value and "@" not in value:
        raise ImproperlyConfigured(f"{name} is {value!r}, but it takes an address such as avisos@example.com. {SEE}")
    return value or default
