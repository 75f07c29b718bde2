import pytest

from tariffs.services import prices_load
from tariffs.tests.helpers import all_rates


@pytest.fixture
def prices(db: None) -> None:
    """Every price that the project knows, in the database."""
    prices_load(rates=all_rates())
