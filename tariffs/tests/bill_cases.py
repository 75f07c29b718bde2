"""Real paper bills, and tariffs, terms and dates by chance."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from tariffs.cfe.bill import Levy, Terms

PAPER = json.loads((Path(__file__).parent / "cfe" / "data" / "bills.json").read_text())
PLAYA = Terms(billing_months=2, summer_start_month=4, lighting=Levy(share=Decimal("0.025")))

tariffs = st.sampled_from([("1", "nacional"), ("1A", "nacional"), ("1B", "nacional"), ("1C", "nacional"), ("1D", "nacional")]) | (
    st.sampled_from([("1E", "nacional"), ("1F", "nacional"), ("DAC", "central"), ("DAC", "baja_california_sur")])
)
levies = st.builds(Levy, st.decimals(0, 1, places=3), st.decimals(0, 500, places=2)) | st.just(Levy())
all_terms = st.builds(
    Terms, st.sampled_from([1, 2]), st.integers(2, 5), st.sampled_from([Decimal("0.16"), Decimal("0.08")]), levies, levies
)
ends = st.dates(date(2023, 6, 1), date(2028, 6, 1))


def dap_of(paper: dict[str, Any]) -> str:
    return str(paper.get("dap", "5%" if "Cancun" in paper["locality"] else "2.5%"))
