from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tariffs.cfe.net_metering import Exchange, Netted, netted

KWH = st.integers(0, 2_000).map(float)


def test_what_was_returned_is_taken_from_what_was_drawn() -> None:
    assert netted([Exchange(500, 300)], 2) == [Netted(200, 0, 0)]


def test_a_surplus_is_kept_for_the_periods_after_it() -> None:
    periods = [Exchange(200, 500), Exchange(250, 100), Exchange(400, 50)]
    assert netted(periods, 2) == [Netted(0, 0, 300), Netted(0, 150, 150), Netted(200, 150, 0)]


@pytest.mark.parametrize(("months", "periods"), [(1, 12), (2, 6)])
def test_a_credit_serves_twelve_months_and_not_a_day_longer(months: int, periods: int) -> None:
    idle = [Exchange(0, 0)] * (periods - 1)
    assert netted([Exchange(0, 90), *idle, Exchange(50, 0)], months)[-1] == Netted(0, 50, 0)
    late = netted([Exchange(0, 90), *idle, Exchange(0, 0), Exchange(50, 0)], months)
    assert late[-2:] == [Netted(0, 0, 0), Netted(50, 0, 0)]


def test_the_oldest_credit_goes_first() -> None:
    periods = [Exchange(0, 100), *[Exchange(0, 0)] * 4, Exchange(0, 100), Exchange(100, 0), Exchange(100, 0)]
    assert netted(periods, 2)[-2:] == [Netted(0, 100, 100), Netted(0, 100, 0)]


@given(st.lists(st.builds(Exchange, KWH, KWH), max_size=30), st.sampled_from([1, 2]))
def test_it_agrees_with_a_ledger_of_single_kwh(periods: list[Exchange], months: int) -> None:
    ledger: deque[int] = deque()  # the number of the period that each kWh in store comes from
    expected = []
    for number, (drawn, returned) in enumerate(periods):
        while ledger and ledger[0] < number - 12 // months:
            ledger.popleft()
        due = max(int(drawn - returned), 0)
        used = min(due, len(ledger))
        for _ in range(used):
            ledger.popleft()
        ledger.extend([number] * max(int(returned - drawn), 0))
        while ledger and ledger[0] <= number - 12 // months:  # too old for the next one
            ledger.popleft()
        expected.append(Netted(due - used, used, len(ledger)))
    assert netted(periods, months) == expected
