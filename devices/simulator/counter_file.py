"""The file that keeps simulated counters over a restart."""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from devices.simulator.shelly.meter import MeterState


class StateError(Exception):
    """The file can't be read; the message names it and the cure."""


def state_load(path: Path) -> dict[str, MeterState]:
    """Return the state by MAC; empty if there is no file yet. Raises StateError."""
    try:
        rows = json.loads(path.read_text())
        return {mac: _state(row) for mac, row in rows.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StateError(
            f"{path} holds no simulator state ({error}). Repair it, or delete it to begin with new counters."
        ) from error


def _state(row: dict[str, Any]) -> MeterState:
    """Read one meter's row; what was written before relays were simulated has no returned energy and no outputs."""
    returned_wh, outputs = row.get("returned_wh", ()), row.get("outputs", ())
    return MeterState(
        float(row["time"]), tuple(map(float, row["energy_wh"])), tuple(map(float, returned_wh)), tuple(map(bool, outputs))
    )


def state_save(path: Path, states: Mapping[str, MeterState]) -> None:
    """Write the state in one step, so that a crash leaves the old or the new one. Meters that are not named keep theirs."""
    merged = state_load(path) | dict(states)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=path.name, delete=False) as file:
        json.dump({mac: state._asdict() for mac, state in merged.items()}, file)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(path)
