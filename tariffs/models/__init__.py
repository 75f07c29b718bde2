"""CFE's prices, and the paper bills that homes have had."""

from tariffs.models.paper_bills import PaperBill
from tariffs.models.prices import Price

__all__ = ["PaperBill", "Price"]
