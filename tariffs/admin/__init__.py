"""Admin of the prices, states' schemes, contracts and paper bills. A contract's stands here and not in its own app, for it bills."""

from tariffs.admin.contracts import ContractAdmin
from tariffs.admin.paper_bills import PaperBillAdmin
from tariffs.admin.prices import PriceAdmin
from tariffs.admin.schemes import SchemeAdmin

__all__ = ["ContractAdmin", "PaperBillAdmin", "PriceAdmin", "SchemeAdmin"]
