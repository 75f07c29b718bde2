"""Every write to the prices, the states' schemes and the paper bills."""

from tariffs.services.paper_bills import paper_bill_add, paper_bill_delete
from tariffs.services.prices import prices_load
from tariffs.services.schemes import schemes_load

__all__ = ["paper_bill_add", "paper_bill_delete", "prices_load", "schemes_load"]
