"""Writes of the paper bills."""

from datetime import date
from decimal import Decimal

from django.db import IntegrityError, transaction
from psycopg.errors import ExclusionViolation

from accounts.models import Contract, Home
from accounts.services import contract_change
from accounts.services.contracts import TERMS
from tariffs.exceptions import BillOverlaps
from tariffs.models import PaperBill

READING = ("billing_months", "billing_day", "last_reading")  # what a bill tells of the contract


@transaction.atomic
def paper_bill_add(*, home: Home, start: date, end: date, kwh: int, total_mxn: Decimal) -> PaperBill:
    """Keep a bill of the local dates [start, end), and what it tells of the meter's readings. 3–9 queries. Raises BillOverlaps."""
    home.refresh_from_db(from_queryset=Home.objects.select_for_update(no_key=True))  # one change of the contract at a time
    try:
        with transaction.atomic():
            bill = PaperBill.objects.create(home=home, start=start, end=end, kwh=kwh, total_mxn=total_mxn)
    except IntegrityError as error:
        if isinstance(error.__cause__, ExclusionViolation):
            raise BillOverlaps from error
        raise
    _note_reading(bill)
    return bill


@transaction.atomic
def paper_bill_delete(*, bill: PaperBill) -> None:
    """Forget a bill, and the reading that the contract's newest version has learnt of it. 3–6 queries.

    So a bill whose dates were mistyped can be typed in again. A version that says more than that, or is not the newest, stays.
    """
    bill.home.refresh_from_db(from_queryset=Home.objects.select_for_update(no_key=True))
    bill.delete()
    *_, before, newest = [None, None, *bill.home.contract_versions]
    if before and newest and newest.valid_from == newest.last_reading == bill.end and _says_the_same(before, newest):
        newest.delete()


def _says_the_same(before: Contract, after: Contract) -> bool:
    """Tell whether two versions differ in nothing but when the meter is read."""
    return all(getattr(before, name) == getattr(after, name) for name in TERMS if name not in READING)


def _note_reading(bill: PaperBill) -> None:
    """Let the contract follow a newer reading than it knows, unless that would take the place of a version that begins later."""
    versions = bill.home.contract_versions
    if not versions or versions[-1].valid_from > bill.end:
        return
    known = versions[-1].last_reading
    if known is None or known < bill.end:
        contract_change(home=bill.home, valid_from=bill.end, last_reading=bill.end, billing_months=bill.billing_months)
