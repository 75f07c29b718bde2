"""Terms of a contract that the apps above propose, from what they have measured: each registers a function when it is loaded."""

from collections.abc import Callable
from typing import Any

from accounts.models import Contract

# From a contract to values by the names of its terms, of those alone that there is something to say about.
Propose = Callable[[Contract], dict[str, Any]]

_registered: list[Propose] = []


def register(propose: Propose) -> None:
    """Let the function propose terms from now on."""
    _registered.append(propose)


def proposed(contract: Contract) -> dict[str, Any]:
    """Return what is proposed for the contract; each function may run a query."""
    return {name: value for propose in _registered for name, value in propose(contract).items()}
