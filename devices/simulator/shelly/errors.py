"""The errors with which a Shelly answers. Source: the maker's list of common errors."""

from typing import Any

INVALID_ARGUMENT, NOT_FOUND, RESOURCE_EXHAUSTED, UNAVAILABLE, NO_HANDLER = -103, -105, -108, -114, 404


class RpcError(Exception):
    """What the device answers instead of a result."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def missing(name: str) -> RpcError:
    return RpcError(INVALID_ARGUMENT, f"Missing required '{name}'")


def invalid(name: str) -> RpcError:
    return RpcError(INVALID_ARGUMENT, f"Invalid argument '{name}'!")


def not_found(name: str, value: object) -> RpcError:
    return RpcError(NOT_FOUND, f"Argument '{name}', value {value} not found!")


def changed_config(
    config: dict[str, Any], changes: dict[str, Any], *, fixed: frozenset[str] = frozenset({"id"})
) -> dict[str, Any]:
    """Return a configuration with changes: what it does not know is ignored, as devices do. Raises RpcError for another type."""
    known = {key: value for key, value in changes.items() if key in config and key not in fixed}
    for key, value in known.items():
        if not _is_like(config[key], value):
            raise invalid(key)
    return config | known


def _is_like(before: object, value: object) -> bool:
    if isinstance(before, bool):
        return isinstance(value, bool)
    if isinstance(before, int | float):
        return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
    return value is None or isinstance(value, str)
