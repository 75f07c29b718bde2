"""Which time a reading gets: the device's where it is credible, else the server's."""

from datetime import datetime, timedelta

from telemetry.constants import DEVICE_TIME_AHEAD, DEVICE_TIME_PAST

SECOND = timedelta(seconds=1)


def trusted_time(device_time: datetime | None, now: datetime) -> datetime:
    """Return the device's time where it is credible, else the server's `now`."""
    if device_time is not None and now - DEVICE_TIME_PAST <= device_time <= now + DEVICE_TIME_AHEAD:
        return device_time
    return now


def own_second(time: datetime, time_s: float = 0.0, newest_s: float = 0.0) -> datetime:
    """Return the second of a reading by a device's own clock: a channel has one a second at most, whatever fractions are invented.

    It is the next second where the device has spoken in this one before, so that the later fact is not lost. `time_s` and `newest_s`, when
    it last spoke, are Unix times.
    """
    second = time.replace(microsecond=0)
    return second + SECOND if int(time_s) <= newest_s < time_s else second
