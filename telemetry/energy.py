"""What a channel used, computed from its readings. Pure arithmetic on arrays: no Django, no clock, no I/O.

Energy comes from the counter where there is one: the difference between consecutive counters. A fall of more than a tenth is a restart from
zero, and the new value counts; a smaller fall is rounding, left negative for the next rise to cancel. A difference that the wiring can't
carry counts nothing. Where no counter is, power is integrated by trapezoid over short gaps. Each interval between two readings is cut at
bucket edges in proportion to time, so the sum over buckets is the counter's movement, whatever the readings' order of arrival.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

SECOND = 1_000_000  # times are whole microseconds
BUCKET = 300 * SECOND
RESTART_SHARE = 0.9  # a counter that falls below this share of itself has begun again
MISREADING = 60 * SECOND  # a counter that is back within this time has only been misread
COUNTER_LAG_S = 60  # devices publish their counter once a minute, so a difference may hold a minute more than its interval

RECOVERED, REJECTED, RESTARTED = 1, 2, 4


class Rules(NamedTuple):
    """Longest gaps that count as continuous, s, with and without a counter, and the most that a channel can carry, W."""

    power_gap_s: float
    counter_gap_s: float
    max_power_w: float


class Readings(NamedTuple):
    """Readings as columns, sorted by span and time; no time comes twice in a span. NaN is what a reading does not say.

    span: which of the spans the reading was fetched for. time: µs. The counters are Wh.
    """

    span: Ints
    time: Ints
    power_w: Floats
    voltage_v: Floats
    current_a: Floats
    energy_wh: Floats
    returned_wh: Floats


class Spans(NamedTuple):
    """Ranges [lo, hi) of whole buckets to compute, µs, and the first and last counter of each span's channel (0, 0: it has none).

    The readings of a span must reach to two counters before and behind it, or as far as there are any.
    """

    lo: Ints
    hi: Ints
    counter_first: Ints
    counter_last: Ints


class Buckets(NamedTuple):
    """Computed buckets as columns, sorted by span and start (µs); NaN is what nobody measured."""

    span: Ints
    start: Ints
    measured_wh: Floats
    recovered_wh: Floats
    returned_wh: Floats
    covered_s: Floats
    samples: Ints
    power_min_w: Floats
    power_mean_w: Floats
    power_max_w: Floats
    voltage_v: Floats
    current_a: Floats
    flags: Ints


class _Intervals(NamedTuple):
    """Stretches (start, end] of time in a span, µs."""

    span: Ints
    start: Ints
    end: Ints

    @property
    def seconds(self) -> Floats:
        return (self.end - self.start) / SECOND


class _Pieces(NamedTuple):
    """Intervals cut at bucket edges: the bucket of each piece, the interval that it is of, and its share of that."""

    key: Ints
    of: Ints
    share: Floats


def buckets(readings: Readings, spans: Spans, rules: Rules) -> Buckets:
    """Return the buckets of the spans: those with a reading, and those that an interval with known energy or power touches."""
    sample_key = _key(readings.span, readings.time)
    covered, cover_values = _coverage(readings, spans, rules)
    moved, move_values, restart_key = _movements(readings, rules)
    cover, move = _cut(covered), _cut(moved)
    keys = np.unique(np.concatenate([sample_key, cover.key, move.key]))
    keys = keys[_within(keys, spans)]

    def total(piece: _Pieces, values: Floats) -> Floats:
        return _sum(keys, piece.key, values[piece.of] * piece.share)

    covered_s = total(cover, covered.seconds)
    power_s = total(cover, cover_values["power_w"] * covered.seconds)
    samples = _sum(keys, sample_key, np.ones(len(sample_key)))
    low, high = _extremes(keys, sample_key, readings.power_w)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(covered_s > 0, power_s / covered_s, _sum(keys, sample_key, readings.power_w) / samples)
    flags = sum(
        (bit * (_sum(keys, where, np.ones(len(where))) > 0) for bit, where in _flagged(move, move_values, restart_key).items()),
        np.zeros(len(keys), np.int64),
    )
    return Buckets(
        keys // _SPAN_KEYS,
        keys % _SPAN_KEYS * BUCKET,
        total(cover, cover_values["drawn_wh"]) + total(move, move_values["measured_wh"]),
        total(move, move_values["recovered_wh"]),
        total(cover, cover_values["returned_wh"]) + total(move, move_values["returned_wh"]),
        covered_s,
        samples.astype(np.int64),
        low,
        mean,
        high,
        _mean(keys, sample_key, readings.voltage_v),
        _mean(keys, sample_key, readings.current_a),
        flags,
    )


def misread(time: Ints, energy_wh: Floats, span: Ints, max_power_w: float) -> Flags:
    """Tell which counters are dips or spikes: far off both neighbours, and back where they belong within a minute."""
    wrong = np.zeros(len(time), bool)
    if len(time) < 3:
        return wrong
    before, here, after = energy_wh[:-2], energy_wh[1:-1], energy_wh[2:]
    together = (span[:-2] == span[1:-1]) & (span[1:-1] == span[2:]) & (time[2:] - time[1:-1] <= MISREADING)
    back = after >= RESTART_SHARE * before
    dip = (here < RESTART_SHARE * before) & back
    rise = _absurd(here - before, (time[1:-1] - time[:-2]) / SECOND, max_power_w) & (here > before)
    spike = rise & back & (after < here) & ~_absurd(after - before, (time[2:] - time[:-2]) / SECOND, max_power_w)
    wrong[1:-1] = together & (dip | spike)
    return wrong


_SPAN_KEYS = 1 << 32  # bucket numbers stay far below this


def _key(span: Ints, time: Ints) -> Ints:
    return span * _SPAN_KEYS + time // BUCKET


def _within(keys: Ints, spans: Spans) -> Flags:
    span, start = keys // _SPAN_KEYS, keys % _SPAN_KEYS * BUCKET
    inside: Flags = (start >= spans.lo[span]) & (start < spans.hi[span])
    return inside


def _coverage(readings: Readings, spans: Spans, rules: Rules) -> tuple[_Intervals, dict[str, Floats]]:
    """Return the intervals between any two readings that are near enough, with mean W, and Wh where no counter tells them."""
    near = readings.span[1:] == readings.span[:-1]
    span, start, end = readings.span[1:], readings.time[:-1], readings.time[1:]
    by_counter = (spans.counter_last[span] > 0) & (start >= spans.counter_first[span]) & (end <= spans.counter_last[span])
    near &= end - start <= np.where(by_counter, rules.counter_gap_s, rules.power_gap_s) * SECOND
    power0, power1 = readings.power_w[:-1][near], readings.power_w[1:][near]
    intervals = _Intervals(span[near], start[near], end[near])
    hours = np.where(by_counter[near], 0.0, intervals.seconds / 3600)
    drawn = (np.maximum(power0, 0) + np.maximum(power1, 0)) / 2 * hours
    returned = (np.maximum(-power0, 0) + np.maximum(-power1, 0)) / 2 * hours
    return intervals, {"power_w": (power0 + power1) / 2, "drawn_wh": drawn, "returned_wh": returned}


def _movements(readings: Readings, rules: Rules) -> tuple[_Intervals, dict[str, Floats], Ints]:
    """Return the intervals between consecutive counters with the Wh that they moved, and the buckets in which one began again."""
    counted = np.flatnonzero(~np.isnan(readings.energy_wh))
    wrong = misread(readings.time[counted], readings.energy_wh[counted], readings.span[counted], rules.max_power_w)
    kept = counted[~wrong]
    pair = readings.span[kept][1:] == readings.span[kept][:-1]
    before, after = kept[:-1][pair], kept[1:][pair]
    intervals = _Intervals(readings.span[after], readings.time[before], readings.time[after])
    returned = np.nan_to_num(readings.returned_wh)
    drawn, restarted = _moved(readings.energy_wh[before], readings.energy_wh[after])
    given, _ = _moved(returned[before], returned[after])
    absurd = _absurd(drawn, intervals.seconds, rules.max_power_w) | _absurd(given, intervals.seconds, rules.max_power_w)
    gap = intervals.seconds > rules.counter_gap_s
    values = {
        "measured_wh": np.where(absurd | gap, 0.0, drawn),
        "recovered_wh": np.where(absurd | ~gap, 0.0, drawn),
        "returned_wh": np.where(absurd, 0.0, given),
        "absurd": absurd.astype(np.float64),
        "gap": (gap & ~absurd).astype(np.float64),
    }
    return intervals, values, _key(intervals.span, intervals.end)[restarted & ~absurd]


def _moved(before: Floats, after: Floats) -> tuple[Floats, Flags]:
    restarted = after < RESTART_SHARE * before
    return np.where(restarted, after, after - before), restarted


def _absurd(moved_wh: Floats, seconds: Floats, max_power_w: float) -> Flags:
    over: Flags = np.abs(moved_wh) > max_power_w / 3600 * (seconds + COUNTER_LAG_S)
    return over


def _cut(intervals: _Intervals) -> _Pieces:
    """Cut intervals at bucket edges; a piece has a length above zero."""
    first, last = intervals.start // BUCKET, (intervals.end - 1) // BUCKET
    count = last - first + 1
    of = np.repeat(np.arange(len(count)), count)
    bucket = np.arange(len(of)) - np.repeat(np.cumsum(count) - count, count) + first[of]
    start = np.maximum(intervals.start[of], bucket * BUCKET)
    end = np.minimum(intervals.end[of], (bucket + 1) * BUCKET)
    share = (end - start) / (intervals.end - intervals.start)[of]
    return _Pieces(intervals.span[of] * _SPAN_KEYS + bucket, of, share)


def _flagged(move: _Pieces, values: dict[str, Floats], restart_key: Ints) -> dict[int, Ints]:
    """Return the buckets that bear each flag."""
    return {
        RECOVERED: move.key[values["gap"][move.of] > 0],
        REJECTED: move.key[values["absurd"][move.of] > 0],
        RESTARTED: restart_key,
    }


def _place(keys: Ints, where: Ints) -> tuple[Ints, Flags]:
    place = np.searchsorted(keys, where)
    place[place == len(keys)] = 0
    known: Flags = keys[place] == where if len(keys) else np.zeros(len(where), bool)
    return place, known


def _sum(keys: Ints, where: Ints, values: Floats) -> Floats:
    """Return for each key the sum of the values that lie there; values elsewhere are left out."""
    if not len(keys):
        return np.zeros(0)
    place, known = _place(keys, where)
    return np.bincount(place[known], values[known], len(keys)).astype(np.float64)


def _mean(keys: Ints, where: Ints, values: Floats) -> Floats:
    said = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        mean: Floats = _sum(keys, where[said], values[said]) / _sum(keys, where[said], np.ones(int(said.sum())))
    return mean


def _extremes(keys: Ints, where: Ints, values: Floats) -> tuple[Floats, Floats]:
    low, high = np.full(len(keys), np.inf), np.full(len(keys), -np.inf)
    if len(keys):
        place, known = _place(keys, where)
        np.minimum.at(low, place[known], values[known])
        np.maximum.at(high, place[known], values[known])
    return np.where(np.isinf(low), np.nan, low), np.where(np.isinf(high), np.nan, high)
