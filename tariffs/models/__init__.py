"""CFE's prices, what states change of them, and the paper bills that homes have had."""

from tariffs.models.paper_bills import PaperBill
from tariffs.models.prices import Price
from tariffs.models.schemes import Scheme, SchemeTier

__all__ = ["PaperBill", "Price", "Scheme", "SchemeTier"]
