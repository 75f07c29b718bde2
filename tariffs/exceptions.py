"""What can go wrong with a bill."""

from ecowatt.exceptions import Unavailable


class PricesMissing(Unavailable):
    """The operator has not loaded the prices of a tariff (`manage.py load_cfe_prices`)."""
