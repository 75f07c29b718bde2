"""What the days that a home has had say about days that were not seen, gone by or to come. Pure, no clock.

What a home uses on a day is taken as the sum of
- a level of its own,
- what is usual on that day of the week,
- a wandering that fades over days or months,
- more or less in the hot half of the year,
- and chance.
All are Gaussian, so the days asked for follow from the days seen by conditioning, errors that last from day to day included. How strong
each is, no one knows beforehand: HABITS and CHANCES hold the possibilities, and each counts as much as the home's own days speak for it.
The formulas are those of Gaussian process regression with a scale that is not known (Rasmussen and Williams, Gaussian Processes for
Machine Learning, chapters 2 and 5). How wide the interval must be is then learned from the home's own past: what the same formulas
would have said of its last days, knowing those before, is compared with what was used.
"""

from collections.abc import Iterator
from datetime import date
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Whole = NDArray[np.int64]

# What goes through a home's days, as variances with that of a day's chance as 1: the level (anything is possible), a weekday's excess,
# wanderings of which a third is left after FADES days, and the season. Each is one of several, and steps of several times are fine
# enough: the forecasts hardly change with more of them.
FADES = (5.0, 70.0)
LEVEL, WEEKDAYS, WANDERINGS, SEASONS = 100.0, (1.0, 10.0), ((0.0, 0.0), (0.5, 0.0), (0.0, 2.0), (0.0, 10.0)), (0.0, 20.0)
HABITS = np.array([(LEVEL, weekday, *fading, season) for weekday, fading, season in product(WEEKDAYS, WANDERINGS, SEASONS)])
# Logarithms of what each counts beforehand: most homes neither wander nor have a season worth the name.
WEIGHTS = 1.5 * (HABITS[:, 2:4].sum(1) == 0) + 1.0 * (HABITS[:, 4] == 0)
HOTTEST = date(2025, 7, 9).toordinal()  # as in the mean temperatures of the country, within two weeks
# A day's chance as a share of the level, before any is seen: one of several, on a belief that weighs as much as one day.
CHANCES, CHANCE_DAYS = np.array([0.002, 0.01, 0.05, 0.25]), 1.0
LEAST_CHANCE = 0.003  # no home is as even as a clock, however its days so far have looked
# The home's past errors are compared in spans of at most a quarter of its days, in the last half. Before there are any, errors are expected
# to be larger than the formulas say where days are few (ALL + FEW / days, as variances), on a belief that weighs as much as two spans.
SPANS, ALL, FEW, BELIEF = 4, 0.6, 5.0, 2.0
UNUSUAL = 4.0  # no span counts for more standard deviations than that
# Errors of a single day are larger than a normal distribution has them; over many days that goes away.
DAY_EXCESS, LEAST_DAYS = 2.0, 2.0
Z80 = 1.2816  # four in five of a normal distribution lie within so many standard deviations


class Days(NamedTuple):
    """Days (ordinals, rising) and which share of a usual day's use falls on the hours that are meant."""

    days: Whole
    shares: Array


def expected(seen: Days, used: Array, asked: Days) -> tuple[Array, Array]:
    """Return what is used until the end of each day asked for, as a multiple of the level, and its spread (80 %).

    `used` is each seen day's use as a multiple of the level.
    """
    mean, spread = _conditioned(seen, used, asked)
    days = np.maximum(asked.shares.cumsum(), LEAST_DAYS)
    return mean, spread * np.sqrt(_past_error(seen, used, asked) * (1 + DAY_EXCESS / days))


def _past_error(seen: Days, used: Array, asked: Days) -> float:
    """Return how large the home's own errors have been, as variances with those expected as 1, in spans as long as what is asked."""
    count = used.size
    length = max(min(int(np.ceil(asked.shares.sum())), count // SPANS), 1)
    errors = [min(error**2, UNUSUAL**2) for error in _errors(seen, used, length)]
    return (BELIEF * (ALL + FEW / count) + sum(errors)) / (BELIEF + len(errors))


def _errors(seen: Days, used: Array, length: int) -> Iterator[float]:
    """Yield the errors of the last spans of so many days, each from the days before it, in standard deviations."""
    count = used.size
    for end in range(count, 0, -length):
        start = end - length
        if start < max(count / 2, 3):
            return
        before, span = (Days(seen.days[part], seen.shares[part]) for part in (slice(start), slice(start, end)))
        level = used[:start] @ before.shares / before.shares.sum()
        if level <= 0:
            return
        mean, spread = _conditioned(before, used[:start] / level, span)
        yield float((used[start:end] @ span.shares / level - mean[-1]) / (spread[-1] / Z80))


def _conditioned(seen: Days, used: Array, asked: Days) -> tuple[Array, Array]:
    """Return what is used until the end of each day asked for and its spread as the formulas have it, habits and chances averaged."""
    count, excess = used.size, used - 1
    degrees = count - 1 + CHANCE_DAYS  # the level takes one
    parts = _parts(np.concatenate([seen.days, asked.days]), seen.days[-1])
    until = _weighed((parts[:, :count, count:] * asked.shares).cumsum(2))
    own = HABITS @ _until_both(parts[:, count:, count:] * asked.shares * asked.shares[:, None])
    observed = _weighed(parts[:, :count, :count]) + np.diag(1 / seen.shares)
    given = np.broadcast_to(excess[:, None], (len(HABITS), count, 1))
    solved = np.linalg.solve(observed, np.concatenate([given, until], axis=2))
    believed = CHANCE_DAYS * CHANCES**2
    chance = believed + (solved[:, :, 0] @ excess)[:, None]
    weights = WEIGHTS[:, None] - np.linalg.slogdet(observed)[1][:, None] / 2 - degrees * np.log(chance) / 2
    weights = _normalised(weights + CHANCE_DAYS * np.log(believed) / 2)
    means = asked.shares.cumsum() + excess @ solved[:, :, 1:]
    variances = own + asked.shares.cumsum() - (until * solved[:, :, 1:]).sum(1)
    mean = weights.sum(1) @ means
    variance = (weights * np.maximum(chance / degrees, LEAST_CHANCE**2)).sum(1) @ variances + weights.sum(1) @ (means - mean) ** 2
    student = Z80 * (1 + (Z80**2 + 1) / (4 * degrees))  # the quantile of Student's t, to the first order
    return mean, student * np.sqrt(np.maximum(variance, 0))


def _parts(days: Whole, today: int) -> Array:
    """Return how alike two days are (n × n) in level, weekday, each wandering and season: the columns of HABITS."""
    apart = np.abs(days[:, None] - days)
    heat, now = (np.cos(2 * np.pi * (day - HOTTEST) / 365.25) for day in (days, today))
    fading = (np.exp(-apart / fade) for fade in FADES)
    return np.stack([np.ones(apart.shape), apart % 7 == 0, *fading, np.outer(heat - now, heat - now)])


def _weighed(parts: Array) -> Array:
    """Return the covariances under each of HABITS."""
    weighed: Array = np.einsum("hp,pnd->hnd", HABITS, parts)
    return weighed


def _until_both(parts: Array) -> Array:
    """Return the sums over the days until each one, on both sides."""
    sums: Array = parts.cumsum(1).cumsum(2).diagonal(axis1=1, axis2=2)
    return sums


def _normalised(log_likelihoods: Array) -> Array:
    likelihoods = np.exp(log_likelihoods - log_likelihoods.max())
    weights: Array = likelihoods / likelihoods.sum()
    return weights
