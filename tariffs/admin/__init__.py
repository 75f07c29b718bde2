"""Admin of the prices."""

from tariffs.admin.prices import PriceAdmin

__all__ = ["PriceAdmin"]
