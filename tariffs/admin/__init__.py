"""Admin of the prices and contracts. A contract's stands here and not in its own app, for it bills."""

from tariffs.admin.contracts import ContractAdmin
from tariffs.admin.prices import PriceAdmin

__all__ = ["ContractAdmin", "PriceAdmin"]
