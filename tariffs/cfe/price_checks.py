"""What is wrong or odd about prices, whatever way they come in: by file, by form or by command. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from accounts.cfe_tariffs import DAC
from tariffs.cfe.prices import TIER_ORDER, Rate
from tariffs.cfe.tariffs import NATIONAL, Tier

# A price that moved by more than this share from one month to the next is rather a slip of the pen.
ODD_MOVE = Decimal("0.30")


class Remark(NamedTuple):
    """A sentence in English, and the template and values that it is made of, for those who speak another language."""

    template: str
    values: dict[str, Any]

    def __str__(self) -> str:
        return self.template % self.values


OPEN_END = "%(tier)s ends at %(limit)d kWh, but nothing follows"
# What is said of a price that fell, and of one that rose.
FROM_BEFORE = (
    "%(price)s is -%(move).0f %% from the month before (%(before)s)",
    "%(price)s is +%(move).0f %% from the month before (%(before)s)",
)
FROM_AFTER = (
    "%(price)s is -%(move).0f %% from the month after (%(before)s)",
    "%(price)s is +%(move).0f %% from the month after (%(before)s)",
)


class Verdict(NamedTuple):
    """What keeps a price out, and what has to be confirmed."""

    errors: list[Remark]
    warnings: list[Remark]


def verdict(before: Sequence[Rate], after: Sequence[Rate], rate: Rate | None = None, known: Iterable[Rate] = ()) -> Verdict:
    """Judge a change of the tiers of a month, season and region, and the price that it writes, if any, beside those of other months.

    What was wrong before may stay. A month that is only begun is written tier by tier from below, so an open end is no error in it.
    """
    old, new = ([remark for _number, remark in seams(list(enumerate(tiers)))] for tiers in (before, after))
    is_begun = rate is not None and (not before or any(remark.template == OPEN_END for remark in old))
    found = [remark for remark in new if remark not in old]
    open_ends = [remark for remark in found if is_begun and remark.template == OPEN_END]
    odd = [remark for _number, remark in odd_moves({0: rate}, known)] if rate else []
    return Verdict([remark for remark in found if remark not in open_ends], open_ends + odd)


def odd_moves(rates: Mapping[int, Rate], known: Iterable[Rate]) -> Iterator[tuple[int, Remark]]:
    """Yield the numbers of the rates that are far from the month before, or from a known month after that is not among them."""
    theirs = {_of_month(rate, rate.month): rate.price_mxn_per_kwh for rate in rates.values()}
    stored = {_of_month(rate, rate.month): rate.price_mxn_per_kwh for rate in known}
    for number, rate in rates.items():
        before = _of_month(rate, (rate.month - timedelta(days=1)).replace(day=1))
        after = _of_month(rate, (rate.month + timedelta(days=31)).replace(day=1))
        beside = [(theirs.get(before, stored.get(before)), FROM_BEFORE)]
        if after not in theirs:
            beside.append((stored.get(after), FROM_AFTER))
        for other, templates in beside:
            if other and abs(rate.price_mxn_per_kwh - other) > ODD_MOVE * other:
                move = (rate.price_mxn_per_kwh / other - 1) * 100
                yield number, Remark(templates[move > 0], {"price": rate.price_mxn_per_kwh, "move": abs(move), "before": other})


def _of_month(rate: Rate, month: date) -> tuple[object, ...]:
    return rate.tariff, rate.region, rate.season, rate.tier, month


def contradictions(rate: Rate) -> Iterator[Remark]:
    """Yield the contradictions within one price."""
    is_dac, values = rate.tariff == DAC, rate._asdict()
    if is_dac and rate.region == NATIONAL:
        yield Remark("region of tariff %(tariff)s is one of DAC, not %(region)s", values)
    if not is_dac and rate.region != NATIONAL:
        yield Remark("region of tariff %(tariff)s is %(national)s, not %(region)s", values | {"national": NATIONAL})
    if is_dac != (rate.tier == Tier.ENERGY):
        yield Remark("tariff %(tariff)s has no tier %(tier)s", values)
    if rate.fixed_charge_mxn_month is not None and not is_dac:
        yield Remark("tariff %(tariff)s has no fixed charge", values)
    if rate.upper_kwh_month is not None and rate.upper_kwh_month <= rate.lower_kwh_month:
        yield Remark("upper_kwh_month %(upper_kwh_month)d is not above lower_kwh_month %(lower_kwh_month)d", values)


def seams(tiers: Iterable[tuple[int, Rate]]) -> Iterator[tuple[int, Remark]]:
    """Yield the numbers of the tiers of one month, season and region that leave a gap to the one before, overlap it, or end openly."""
    ordered = sorted(tiers, key=lambda item: TIER_ORDER.index(item[1].tier))
    limit: int | None = 0
    for number, rate in ordered:
        values = {"tier": rate.tier, "lower": rate.lower_kwh_month, "limit": limit}
        if limit is None:
            yield number, Remark("%(tier)s begins at %(lower)d kWh, but the tier before it has no end", values)
        elif rate.lower_kwh_month != limit:
            yield number, Remark("%(tier)s begins at %(lower)d kWh, but %(limit)d kWh is where it should", values)
        limit = rate.upper_kwh_month
    if limit is not None and ordered:
        number, rate = ordered[-1]
        yield number, Remark(OPEN_END, {"tier": rate.tier, "limit": limit})
