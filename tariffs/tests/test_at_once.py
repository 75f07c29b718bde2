from decimal import Decimal

import pytest

from accounts.models import Home, User
from common.testing import together
from conftest import client_of
from tariffs.models import PaperBill

pytestmark = pytest.mark.django_db(transaction=True)
PAPER = {"period_start": "2026-04-18", "period_end": "2026-06-20", "kwh": 328, "total_mxn": 404}


def test_changes_of_one_contract_at_once_all_count(owner: User, home: Home) -> None:
    changes = [{"dap_share": 0.05}, {"summer_start_month": 2}, {"iva_rate": 0.08}, {"state": "SON"}]
    of_user = {"user_billing_day": 9, "user_email": "otra@example.com"}
    calls = [*(("put", "contract", change) for change in changes), ("patch", "users/me", of_user)]

    def call(number: int) -> int:
        method, path, body = calls[number]
        return int(getattr(client_of(owner), method)(f"/api/v1/{path}", body, format="json").status_code)

    assert together(call, len(calls)) == [200] * len(calls)
    _first, version = Home.objects.get(pk=home.pk).contract_versions
    assert (version.dap_share, version.summer_start_month, version.iva_rate) == (Decimal("0.05"), 2, Decimal("0.08"))
    assert (version.state, version.billing_day) == ("SON", 9)


def test_one_bill_typed_in_several_times_at_once_is_kept_once(owner: User, home: Home) -> None:
    codes = together(lambda _: client_of(owner).post("/api/v1/bills", PAPER, format="json").status_code, 4)
    assert sorted(codes) == [201, 409, 409, 409]
    bill = PaperBill.objects.get()
    assert [version.last_reading for version in Home.objects.get(pk=home.pk).contract_versions] == [None, bill.end]
