import pytest
from django.test import Client
from django.urls import reverse, reverse_lazy
from pytest_django import DjangoAssertNumQueries

from tariffs.models import Price
from tariffs.services import prices_load
from tariffs.tests.helpers import all_rates

LIST = reverse_lazy("admin:tariffs_price_changelist")


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
    answer = staff.post(reverse("admin:tariffs_price_change", args=[price.pk]), _posted(price, price_mxn_per_kwh="1.234"))
    price.refresh_from_db()
    assert (answer.status_code, str(price.price_mxn_per_kwh)) == (302, "1.234")


def _posted(price: Price, **changes: str) -> dict[str, object]:
    """Return what the browser posts of a price's form."""
    form = {name: value for name, value in vars(price).items() if not name.startswith("_") and value is not None}
    return form | changes


def test_an_overlap_is_explained_in_the_form(staff: Client, price: Price) -> None:
    other = Price.objects.get(tariff="1B", season="verano", tier="intermedio", month="2026-05-01")
    page = reverse("admin:tariffs_price_change", args=[other.pk])
    answer = staff.post(page, _posted(other, lower_kwh_month="100"))
    assert "Los kWh se traslapan con los de otro escalón" in answer.content.decode()
    assert staff.post(page, _posted(other, upper_kwh_month="100")).status_code == 200  # below its beginning: refused, not a crash
    other.refresh_from_db()
    assert (other.lower_kwh_month, other.upper_kwh_month) == (125, 225)


def test_a_price_shows_how_it_moved_from_the_month_before(staff: Client, price: Price) -> None:
    answer = staff.get(LIST, {"tariff": "1B", "season": "verano", "tier__exact": "basico"})
    shown = {f"{row.month:%Y-%m}": f"{row.price_before}" for row in answer.context["cl"].queryset}
    assert (shown["2024-02"], shown["2026-05"]) == ("None", "1.001")


def test_the_list_is_a_constant_number_of_queries(
    staff: Client, price: Price, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_max_num_queries(12):
        assert len(staff.get(LIST).context["cl"].result_list) == 50


def test_a_month_in_its_middle_is_explained_in_the_form(staff: Client, price: Price) -> None:
    answer = staff.post(reverse("admin:tariffs_price_change", args=[price.pk]), _posted(price, month="2026-05-15"))
    assert "El mes se escribe con su primer día." in answer.content.decode()
