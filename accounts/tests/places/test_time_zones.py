"""A home's clock follows the place of its contract until a person sets it."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.constants import MEXICAN_TIME_ZONES
from accounts.models import Contract, Home, User
from accounts.places.time_zones import zone_of


@pytest.mark.parametrize(
    ("state", "municipality", "zone"),
    [
        ("", "", None),
        ("CMX", "", "America/Mexico_City"),
        ("JAL", "Puerto Vallarta", "America/Mexico_City"),
        ("BCN", "Tijuana", "America/Tijuana"),
        ("BCS", "La Paz", "America/Mazatlan"),
        ("SON", "San Luis Río Colorado", "America/Hermosillo"),
        ("SIN", "", "America/Mazatlan"),
        ("NAY", "Tepic", "America/Mazatlan"),
        ("NAY", "Bahía de Banderas", "America/Bahia_Banderas"),
        ("ROO", "Playa del Carmen", "America/Cancun"),
        ("YUC", "Mérida", "America/Merida"),
        ("CHH", "", "America/Chihuahua"),
        ("CHH", "JUÁREZ", "America/Ciudad_Juarez"),
        ("CHH", "Ojinaga", "America/Ojinaga"),
        ("TAM", "Tampico", "America/Monterrey"),
        ("TAM", "Reynosa", "America/Matamoros"),
        ("COA", "Piedras Negras", "America/Matamoros"),
        ("COA", "Saltillo", "America/Monterrey"),
        ("NLE", "Anáhuac", "America/Matamoros"),
    ],
)
def test_the_zone_of_a_place(state: str, municipality: str, zone: str | None) -> None:
    assert zone_of(state, municipality) == zone


def test_every_state_has_a_mexican_zone_that_exists() -> None:
    zones = {zone_of(state) for state in Contract.State.values}
    assert zones <= set(MEXICAN_TIME_ZONES) <= available_timezones()


def test_sonora_and_quintana_roo_keep_their_time_all_year_and_the_border_does_not() -> None:
    winter, summer = datetime(2026, 1, 15, tzinfo=UTC), datetime(2026, 7, 15, tzinfo=UTC)

    def hours(state: str, municipality: str = "") -> list[float]:
        zone = ZoneInfo(zone_of(state, municipality) or "")
        return [day.astimezone(zone).utcoffset().total_seconds() / 3600 for day in (winter, summer)]

    assert (hours("SON"), hours("ROO"), hours("CHH"), hours("SIN")) == ([-7, -7], [-5, -5], [-6, -6], [-7, -7])
    assert (hours("BCN"), hours("CHH", "Juárez"), hours("TAM", "Matamoros")) == ([-8, -7], [-7, -6], [-6, -5])


def put(api: APIClient, **values: str) -> dict[str, object]:
    answer = api.put("/api/v1/contract", values, format="json")
    assert answer.status_code == 200, answer.content
    body: dict[str, object] = answer.json()
    return body


def test_the_state_of_the_contract_sets_the_clock_at_once(api: APIClient, home: Home) -> None:
    body = put(api, state="SON", municipality="Hermosillo")
    assert (body["time_zone"], body["time_zone_of_place"]) == ("America/Hermosillo", "America/Hermosillo")
    home.refresh_from_db()
    assert home.time_zone == "America/Hermosillo"
    put(api, state="ROO")
    home.refresh_from_db()
    assert home.time_zone == "America/Cancun"


def test_what_was_answered_may_be_sent_back(api: APIClient, home: Home) -> None:
    body = put(api, state="SON")
    assert put(api, **body)["time_zone"] == "America/Hermosillo"


def _staff(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("admin@example.com", "una-clave-larga-1", name="Admin"))
    return client


def form_of(home: Home, **changes: str) -> dict[str, str]:
    contract = home.contract
    fields = {field.name: getattr(contract, field.name) for field in Contract._meta.fields if field.name != "home"}
    rows = {f"contracts-0-{name}": "" if value is None else str(value) for name, value in fields.items()}
    management = {"contracts-TOTAL_FORMS": "1", "contracts-INITIAL_FORMS": "1", "contracts-0-home": str(home.pk)}
    members = {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
    return {"name": home.name, "time_zone": home.time_zone} | rows | management | members | changes


def test_a_clock_that_staff_set_stays(client: Client, api: APIClient, home: Home) -> None:
    page = f"/admin/accounts/home/{home.pk}/change/"
    assert _staff(client).post(page, form_of(home, time_zone="America/Tijuana")).status_code == 302
    body = put(api, state="SON")
    assert (body["time_zone"], body["time_zone_of_place"]) == ("America/Tijuana", "America/Hermosillo")


def test_a_state_that_staff_enter_sets_the_clock(client: Client, home: Home) -> None:
    page = f"/admin/accounts/home/{home.pk}/change/"
    assert _staff(client).post(page, form_of(home, **{"contracts-0-state": "BCN"})).status_code == 302
    home.refresh_from_db()
    assert (home.time_zone, home.is_zone_chosen) == ("America/Tijuana", False)


def test_the_admin_shows_the_time_of_mexico_city_with_its_zone(client: Client, home: Home) -> None:
    Home.objects.update(created_at=datetime(2026, 11, 24, 3, 30, tzinfo=UTC))
    page = _staff(client).get("/admin/accounts/home/").content.decode()
    assert "23 nov 2026, 21:30 CST" in page
    assert Home.objects.get(pk=home.pk).created_at.utcoffset().total_seconds() == 0
