"""What the days that a home has had say about the days to come. Pure, no clock.

What a home uses on a day is taken as the sum of
- a level of its own,
- what is usual on that day of the week,
- a wandering that fades over days or months, and a trend that dies away within about a month,
- and chance.
All are Gaussian, so the days to come follow from the days seen by conditioning, errors that last from day to day included. How strong
each is, no one knows beforehand: HABITS holds the possibilities, and each counts as much as the home's own days speak for it. With
few days none is ruled out, and the interval is wide. The formulas are those of Gaussian process regression with a scale that is not
known (Rasmussen and Williams, Gaussian Processes for Machine Learning, chapters 2 and 5).
"""

from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Whole = NDArray[np.int64]

# What goes through a home's days, as variances with that of a day's chance as 1: the level (anything is possible), a weekday's excess,
# wanderings of which a third is left after FADES days, and the trend over TREND_DAYS. Each is one of several, and steps of several
# times are fine enough: the forecasts hardly change with more of them.
FADES = (5.0, 10.0, 70.0)
LEVEL, WEEKDAYS, WANDERINGS, TRENDS = 100.0, (0.3, 6.0), ((0.5, 0.0, 0.0), (0.0, 0.02, 0.0), (0.0, 0.0, 2.0)), (0.0, 0.5)
HABITS = np.array([(LEVEL, weekday, *fading, trend) for weekday, fading, trend in product(WEEKDAYS, WANDERINGS, TRENDS)])
TREND_DAYS = 30.0
# What is believed of a day's chance before any is seen: a quarter of the level, on a belief that weighs as much as two days.
CHANCE, CHANCE_DAYS = 0.25, 2.0
Z80 = 1.2816  # four in five of a normal distribution lie within so many standard deviations


class Days(NamedTuple):
    """Days (ordinals, rising) and which share of a usual day's use falls on the hours that are meant."""

    days: Whole
    shares: Array


def conditioned(seen: Days, used: Array, left: Days) -> tuple[Array, Array]:
    """Return what is used until the end of each day left, as a multiple of the level, and its spread (80 %), habits averaged.

    `used` is each seen day's use as a multiple of the level.
    """
    count, degrees, excess = used.size, used.size + CHANCE_DAYS, used - 1
    parts = _parts(np.concatenate([seen.days, left.days]), seen.days[-1])
    until = _weighed((parts[:, :count, count:] * left.shares).cumsum(2))
    own = HABITS @ _until_both(parts[:, count:, count:] * left.shares * left.shares[:, None])
    observed = _weighed(parts[:, :count, :count]) + np.diag(1 / seen.shares)
    given = np.broadcast_to(excess[:, None], (len(HABITS), count, 1))
    solved = np.linalg.solve(observed, np.concatenate([given, until], axis=2))
    chance = (CHANCE_DAYS * CHANCE**2 + solved[:, :, 0] @ excess) / degrees
    weights = _normalised(-(np.linalg.slogdet(observed)[1] + degrees * np.log(chance)) / 2)
    means = left.shares.cumsum() + excess @ solved[:, :, 1:]
    variances = own + left.shares.cumsum() - (until * solved[:, :, 1:]).sum(1)
    mean = weights @ means
    variance = weights @ (variances * chance[:, None] + (means - mean) ** 2)
    student = Z80 * (1 + (Z80**2 + 1) / (4 * degrees))  # the quantile of Student's t, to the first order
    return mean, student * np.sqrt(variance)


def _parts(days: Whole, today: int) -> Array:
    """Return how alike two days are (n × n) in level, weekday, each wandering and trend: the columns of HABITS."""
    apart = np.abs(days[:, None] - days)
    since = (days - today) / TREND_DAYS
    since = np.where(since > 0, 1 - np.exp(-np.maximum(since, 0)), since)  # no trend goes on for ever
    fading = (np.exp(-apart / fade) for fade in FADES)
    return np.stack([np.ones(apart.shape), apart % 7 == 0, *fading, np.outer(since, since)])


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
