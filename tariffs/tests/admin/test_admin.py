from collections.abc import Callable
from datetime import date

import pytest
from django.test import Client
from django.urls import reverse, reverse_lazy
from pytest_django import DjangoAssertNumQueries

from tariffs.cfe.prices import PriceBook
from tariffs.cfe.tariffs import Season
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


def test_a_price_far_from_its_neighbours_is_saved_only_when_confirmed(staff: Client, price: Price) -> None:
    may = Price.objects.get(tariff="1B", season="verano", tier="basico", month="2026-05-01")  # 1.004
    page = reverse("admin:tariffs_price_change", args=[may.pk])
    answer = staff.post(page, _posted(may, price_mxn_per_kwh="1.650"))
    text = answer.content.decode()
    assert "1.650 sube 65 % respecto al mes anterior (1.001)" in text
    assert "1.650 sube 64 % respecto al mes siguiente (1.007)" in text
    assert "Es correcto: guardar así" in text
    may.refresh_from_db()
    assert str(may.price_mxn_per_kwh) == "1.004"
    assert staff.post(page, _posted(may, price_mxn_per_kwh="1.650", confirm="on")).status_code == 302
    may.refresh_from_db()
    assert str(may.price_mxn_per_kwh) == "1.650"


@pytest.mark.parametrize(
    "changes", [{"lower_kwh_month": "130"}, {"upper_kwh_month": "220"}, {"upper_kwh_month": ""}, {"month": "2030-05-01"}]
)
def test_a_gap_between_tiers_is_refused_even_when_confirmed(staff: Client, price: Price, changes: dict[str, str]) -> None:
    middle = Price.objects.get(tariff="1B", season="verano", tier="intermedio", month="2026-05-01")
    answer = staff.post(
        reverse("admin:tariffs_price_change", args=[middle.pk]), _posted(middle, provenance="derived", confirm="on", **changes)
    )
    assert answer.status_code == 200
    assert "importa el mes completo" in answer.content.decode() or "Los kWh se traslapan" in answer.content.decode()
    middle.refresh_from_db()
    assert (middle.lower_kwh_month, middle.upper_kwh_month, middle.provenance) == (125, 225, "published")


def test_a_month_is_begun_tier_by_tier_and_billed_by_when_it_is_whole(staff: Client, price: Price) -> None:
    page, form = reverse("admin:tariffs_price_add"), {"tariff": "1", "season": "todo_el_ano", "month": "2027-01-01"}
    form |= {"region": "nacional", "provenance": "published"}
    tiers = [
        {"tier": "basico", "price_mxn_per_kwh": "1.160", "lower_kwh_month": "0", "upper_kwh_month": "75"},
        {"tier": "intermedio", "price_mxn_per_kwh": "1.420", "lower_kwh_month": "75", "upper_kwh_month": "140"},
        {"tier": "excedente", "price_mxn_per_kwh": "4.140", "lower_kwh_month": "140"},
    ]
    assert staff.post(page, form | tiers[1] | {"confirm": "on"}).status_code == 200  # the first one is missing
    for number, tier in enumerate(tiers):
        is_last = number == 2
        assert staff.post(page, form | tier).status_code == (302 if is_last else 200)
        if not is_last:
            assert staff.post(page, form | tier | {"confirm": "on"}).status_code == 302
        book = PriceBook(rate for rate in Price.objects.rates() if rate.tariff == "1")
        month = date(2027, 1, 1) if is_last else date(2026, 12, 1)
        assert book.known_month(Season.ALL_YEAR, date(2027, 1, 1)) == month


def test_a_tier_goes_only_with_its_month(staff: Client, price: Price) -> None:
    month = Price.objects.filter(tariff="1B", season="verano", month="2026-05-01")
    middle = month.get(tier="intermedio")
    page = reverse("admin:tariffs_price_delete", args=[middle.pk])
    assert "excedente empieza en 225 kWh y debería empezar en 125 kWh" in staff.get(page).content.decode()
    staff.post(page, {"post": "yes"})
    chosen = {"action": "delete_selected", "_selected_action": list(month.values_list("pk", flat=True)), "post": "yes"}
    assert month.count() == 3
    assert staff.post(LIST, chosen).status_code == 302
    assert month.count() == 0


def test_who_may_only_look_sees_no_box_to_confirm(staff_with: Callable[..., Client], price: Price) -> None:
    page = staff_with("view_price").get(reverse("admin:tariffs_price_change", args=[price.pk]))
    assert (page.status_code, "guardar así" in page.content.decode()) == (200, False)


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
