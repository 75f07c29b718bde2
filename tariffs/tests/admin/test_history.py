import re
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Contract, Home, User
from tariffs.models import Price
from tariffs.services import prices_load
from tariffs.tests.helpers import all_rates


@pytest.fixture
def price(db: None) -> Price:
    prices_load(rates=[rate for rate in all_rates() if rate.tariff == "1B"], reason="carga de prueba")
    return Price.objects.get(tariff="1B", season="verano", tier="basico", month="2026-05-01")


def _posted(row: Price | Contract, **changes: str) -> dict[str, object]:
    values = {name: value for name, value in vars(row).items() if not name.startswith("_") and value is not None}
    return values | changes


def _words(client: Client, page: str) -> str:
    text = client.get(page).content.decode()
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text[text.index("</head>") :]))


def test_the_history_of_a_price_shows_old_and_new_and_who(staff: Client, price: Price) -> None:
    form = _posted(price, price_mxn_per_kwh="1.234", provenance="derived")
    assert staff.post(reverse("admin:tariffs_price_change", args=[price.pk]), form).status_code == 302
    words = _words(staff, reverse("admin:tariffs_price_history", args=[price.pk]))
    assert re.search(r"Precio por kWh: 1\.004 \S+ 1\.234", words)
    assert re.search(r"Procedencia: publicado \S+ derivado", words)
    assert "admin@example.com" in words
    assert "carga de prueba" in words
    assert "Modificado" in words
    assert not re.search("Changed|Change reason|Comment|Revert|entries", words)


def test_the_history_of_a_contract_shows_old_and_new_and_who(staff: Client, home: Home) -> None:
    contract = home.contract
    form = _posted(contract, home=str(home.pk), tariff="1B")
    assert staff.post(reverse("admin:accounts_contract_change", args=[contract.pk]), form).status_code == 302
    words = _words(staff, reverse("admin:accounts_contract_history", args=[contract.pk]))
    assert re.search(r"Tarifa: 1F \S+ 1B", words)
    assert "admin@example.com" in words


def test_the_history_of_a_row_that_is_gone_stays(staff: Client, price: Price, home: Home, owner: User) -> None:
    contract = home.contract
    home.delete()
    Price.objects.filter(pk=price.pk).delete()
    for page in (("tariffs_price", price.pk), ("accounts_contract", contract.pk)):
        answer = staff.get(reverse(f"admin:{page[0]}_history", args=[page[1]]))
        assert answer.status_code == 200
        assert "Borrado" in answer.content.decode()


def _version(row: Price) -> str:
    return reverse("admin:tariffs_price_simple_history", args=[row.pk, row.history.last().history_id])


def test_a_version_is_brought_back(staff: Client, price: Price) -> None:
    old = _posted(price)
    price.price_mxn_per_kwh = 9
    price.save()
    assert staff.get(_version(price)).status_code == 200
    assert staff.post(_version(price), old).status_code == 302
    price.refresh_from_db()
    assert str(price.price_mxn_per_kwh) == "1.004"


def test_who_may_only_see_brings_nothing_back(staff_with: Callable[..., Client], price: Price) -> None:
    staff = staff_with("view_price")
    assert staff.get(_version(price)).status_code == 200
    assert staff.post(_version(price), _posted(price, price_mxn_per_kwh="9")).status_code == 403
    price.refresh_from_db()
    assert str(price.price_mxn_per_kwh) == "1.004"


def test_who_may_not_see_prices_does_not_see_their_history(staff_with: Callable[..., Client], price: Price) -> None:
    staff = staff_with("view_home")
    assert staff.get(reverse("admin:tariffs_price_history", args=[price.pk])).status_code == 403
    assert staff.get(_version(price)).status_code == 403


def test_a_change_that_nobody_made_by_hand_is_the_systems(staff: Client, price: Price) -> None:
    price.price_mxn_per_kwh = 2
    price.save()
    words = _words(staff, reverse("admin:tariffs_price_history", args=[price.pk]))
    assert re.search(r"Modificado Sistema – ", words)
    assert not re.search(r"Ninguno|None", words)
