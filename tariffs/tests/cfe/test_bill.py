import pytest
from hypothesis import given
from hypothesis import strategies as st

from tariffs.cfe.bill import kwh_to_bill


@pytest.mark.parametrize(
    ("kwh", "billed"), [(0.0, 0), (-3.0, 0), (250.499, 250), (250.5, 251), (250.7, 251), (3 * 83.5 - 1e-9, 251), (1e-9, 0)]
)
def test_the_nearest_whole_kwh_is_billed(kwh: float, billed: int) -> None:
    assert kwh_to_bill(kwh) == billed


@given(kwh=st.floats(0, 5_000), more=st.floats(0, 100))
def test_billed_kwh_never_fall_and_are_half_a_kwh_away_at_most(kwh: float, more: float) -> None:
    assert kwh_to_bill(kwh) <= kwh_to_bill(kwh + more)
    assert abs(kwh - kwh_to_bill(kwh)) <= 0.501
