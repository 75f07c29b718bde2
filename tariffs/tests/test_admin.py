import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from tariffs.models import Price
from tariffs.services import prices_load
from tariffs.tests.helpers import all_rates


@pytest.fixture
def staff(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("admin@example.com", "una-clave-larga-1", name="Admin"))
    return client


@pytest.fixture
def price(db: None) -> Price:
    prices_load(rates=all_rates())
    return Price.objects.filter(tariff="1B").first()  # type: ignore[return-value]


def test_every_page_of_the_prices_opens(staff: Client, price: Price) -> None:
    pages = [
        reverse("admin:tariffs_price_changelist"),
        reverse("admin:tariffs_price_changelist")
        + "?tariff__exact=1B&season__exact=verano&month=2026-05-01&region__exact=nacional&provenance__exact=published",
        reverse("admin:tariffs_price_changelist") + "?q=intermedio",
        reverse("admin:tariffs_price_add"),
        reverse("admin:tariffs_price_change", args=[price.pk]),
    ]
    assert [staff.get(page).status_code for page in pages] == [200] * len(pages)


def test_a_price_is_corrected_in_its_form(staff: Client, price: Price) -> None:
    form = {name: value for name, value in vars(price).items() if not name.startswith("_") and value is not None}
    answer = staff.post(reverse("admin:tariffs_price_change", args=[price.pk]), form | {"price_mxn_per_kwh": "1.234"})
    price.refresh_from_db()
    assert (answer.status_code, str(price.price_mxn_per_kwh)) == (302, "1.234")


def test_a_month_in_its_middle_is_explained_in_the_form(staff: Client, price: Price) -> None:
    form = {name: value for name, value in vars(price).items() if not name.startswith("_") and value is not None}
    answer = staff.post(reverse("admin:tariffs_price_change", args=[price.pk]), form | {"month": "2026-05-15"})
    assert "El mes se escribe con su primer día." in answer.content.decode()
