"""One switch of a simulated Shelly: its output, the timer that turns it back, its configuration."""

from typing import Any, NamedTuple

from devices.simulator.shelly.errors import changed_config, invalid

# Two automatic timers of no time at all would chase each other for ever.
LEAST_TIMER_S = 0.1
INITIAL_STATES = ("off", "on", "restore_last", "match_input")


class Timer(NamedTuple):
    """When it began (the device's true time), its seconds, and what the output will be."""

    started: float
    duration_s: float
    turns_on: bool

    @property
    def due(self) -> float:
        return self.started + self.duration_s


class Relay:
    """A relay, metered or not. All times are true times, seconds since the epoch."""

    def __init__(self, channel: int, *, is_on: bool, power_limit_w: float | None) -> None:
        self.is_on, self.source = is_on, "init"
        self.timer: Timer | None = None
        self._stale: tuple[bool, float] = (is_on, 0.0)
        self.config: dict[str, Any] = {
            "id": channel,
            "name": None,
            "initial_state": "restore_last",
            "auto_on": False,
            "auto_on_delay": 60.0,
            "auto_off": False,
            "auto_off_delay": 60.0,
        }
        if power_limit_w is not None:
            self.config["power_limit"] = power_limit_w

    def configure(self, changes: dict[str, Any]) -> None:
        """Take over changes of the configuration. Raises RpcError."""
        config = changed_config(self.config, changes)
        if config["initial_state"] not in INITIAL_STATES:
            raise invalid("initial_state")
        self.config = config

    def set(self, now: float, *, on: bool, source: str, toggle_after_s: float | None = None, stale_s: float = 0.0) -> None:
        """Switch, and start the timer that the command or the configuration asks for; one that runs ends.

        For `stale_s` the status still has the output from before, as firmware 2.0 was seen to do.
        """
        self._stale = (self.is_on, now + stale_s)
        was_on, self.is_on, self.source = self.is_on, on, source
        self.timer = None
        name = "auto_off" if on else "auto_on"
        if toggle_after_s is not None:
            self.timer = Timer(now, max(LEAST_TIMER_S, toggle_after_s), not on)
        elif self.config[name] and was_on != on:
            self.timer = Timer(now, max(LEAST_TIMER_S, self.config[f"{name}_delay"]), not on)

    def restart(self) -> None:
        """Come up as configured; a timer does not survive."""
        state = self.config["initial_state"]
        self.is_on = self.is_on if state == "restore_last" else state == "on"  # no input is pressed
        self.source, self.timer, self._stale = "init", None, (self.is_on, 0.0)

    def status(self, now: float, offset_s: float) -> dict[str, Any]:
        """Return the fields of the status; the device's clock differs by the offset from true time."""
        before, until = self._stale
        body: dict[str, Any] = {"source": self.source, "output": before if now < until else self.is_on}
        if self.timer:
            body |= {"timer_started_at": round(self.timer.started + offset_s, 2), "timer_duration": self.timer.duration_s}
        return body
