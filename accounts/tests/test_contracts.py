from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from rest_framework.test import APIClient

from accounts.exceptions import NoContract
from accounts.models import Contract, Home, Membership, User
from accounts.places.localities import proposals
from accounts.services import contract_change
from conftest import client_of, make_user

URL = "/api/v1/contract"
pytestmark = pytest.mark.django_db
JUNE, AUGUST = date(2026, 6, 20), date(2026, 8, 20)


def _tariffs(home: Home) -> list[tuple[date, str]]:
    return [(version.valid_from, version.tariff) for version in Home.objects.get(pk=home.pk).contract_versions]


def test_a_change_counts_from_its_date_and_leaves_what_was_before(home: Home) -> None:
    first = home.contract.valid_from
    contract_change(home=home, valid_from=JUNE, tariff="1B", billing_months=2)
    contract_change(home=home, valid_from=AUGUST, dap_share=Decimal("0.025"))
    assert _tariffs(home) == [(first, "1F"), (JUNE, "1B"), (AUGUST, "1B")]
    on = home.contract_on
    assert [on(day).billing_months for day in (JUNE - timedelta(days=1), JUNE, AUGUST)] == [1, 2, 2]
    assert [on(day).dap_share for day in (AUGUST - timedelta(days=1), AUGUST)] == [0, Decimal("0.025")]


def test_a_change_replaces_versions_that_begin_later_and_the_one_of_the_same_day(home: Home) -> None:
    contract_change(home=home, valid_from=AUGUST, tariff="1C")
    contract_change(home=home, valid_from=JUNE, tariff="1B")
    contract_change(home=home, valid_from=JUNE, tariff="1A")
    assert [tariff for _, tariff in _tariffs(home)] == ["1F", "1A"]


def test_a_change_of_nothing_makes_no_version(home: Home) -> None:
    contract_change(home=home, tariff="1F", billing_day=1)
    assert len(_tariffs(home)) == 1


def test_a_reading_s_date_sets_the_billing_day_and_a_billing_day_keeps_the_months(home: Home) -> None:
    contract = contract_change(home=home, billing_months=2, last_reading=date(2026, 6, 20), billing_day=3)
    assert (contract.billing_day, contract.cycle_month) == (20, 6)
    contract = contract_change(home=home, billing_day=25)
    assert (contract.billing_day, contract.cycle_month) == (25, 6)
    assert contract_change(home=home, last_reading=date(2026, 6, 20), billing_day=26).billing_day == 26
    assert contract_change(home=home, last_reading=date(2026, 6, 20)).billing_day == 20


def test_a_home_that_falls_into_dac_remembers_where_it_comes_from(home: Home) -> None:
    contract_change(home=home, valid_from=JUNE, tariff="1C")
    assert contract_change(home=home, valid_from=AUGUST, tariff="DAC").base_tariff == "1C"
    assert contract_change(home=home, valid_from=AUGUST, tariff="DAC", base_tariff="1B").base_tariff == "1B"
    assert contract_change(home=home, valid_from=AUGUST, tariff="1B").base_tariff == ""


def test_two_versions_of_one_day_are_refused_by_the_database(home: Home) -> None:
    with pytest.raises(IntegrityError, match="accounts_contract_version"), transaction.atomic():
        Contract.objects.create(home=home)


def test_a_home_without_a_contract_says_so(home: Home, api: APIClient) -> None:
    Contract.objects.all().delete()
    home.refresh_from_db()
    with pytest.raises(NoContract):
        _ = home.contract
    answer = api.get(URL)
    assert (answer.status_code, answer.json()) == (404, {"detail": "Tu hogar no tiene un contrato de suministro."})


def test_the_app_s_two_fields_make_a_version_of_today(api: APIClient, home: Home) -> None:
    assert api.patch("/api/v1/users/me", {"user_trf_rate": "1b", "user_billing_day": 9}, format="json").status_code == 200
    assert _tariffs(home) == [(date(2000, 1, 1), "1F"), (home.today, "1B")]
    assert api.get("/api/v1/users/me").json()["user_billing_day"] == 9


def test_a_contract_is_read_and_written(api: APIClient, home: Home) -> None:
    wanted: dict[str, Any] = {
        "valid_from": "2026-06-20",
        "tariff": "1b",
        "billing_months": 2,
        "last_reading": "2026-06-20",
        "summer_start_month": 4,
        "dac_region": "sur_y_peninsular",
        "generation": "net_metering",
        "dap_share": 0.025,
        "iva_rate": 0.16,
        "state": "ROO",
        "municipality": "Playa del Carmen",
    }
    body = api.put(URL, wanted, format="json").json()
    wanted["in_force_since"] = wanted.pop("valid_from")
    rest: dict[str, Any] = {
        "base_tariff": None,
        "billing_day": 20,
        "supply_start": None,
        "dap_mxn": 0.0,
        "discount_share": 0.0,
        "discount_mxn": 0.0,
        "proposals": {},
        "time_zone": "America/Cancun",
        "time_zone_of_place": "America/Cancun",
    }
    assert body == wanted | rest
    assert api.get(URL).json() == body
    before = api.get(URL, {"on": "2026-06-19"}).json()
    assert (before["tariff"], before["billing_months"], before["in_force_since"]) == ("1f", 1, "2000-01-01")


def test_the_start_of_the_supply_is_kept_and_never_in_the_future(api: APIClient, home: Home) -> None:
    assert api.put(URL, {"supply_start": "2026-01-15"}, format="json").json()["supply_start"] == "2026-01-15"
    refused = api.put(URL, {"supply_start": "2099-01-15"}, format="json")
    assert (refused.status_code, refused.json()["detail"][0]["msg"]) == (422, "El inicio del suministro está en el futuro.")


def test_what_was_read_may_be_sent_back_with_a_change_and_leaves_the_past_alone(api: APIClient, home: Home) -> None:
    api.put(URL, {"valid_from": "2026-06-20", "tariff": "1b", "last_reading": "2026-06-20"}, format="json")
    read = api.get(URL).json()
    assert api.put(URL, read, format="json").json() == read
    answer = api.put(URL, read | {"billing_day": 25, "dap_share": 0.05}, format="json").json()
    assert answer == read | {"in_force_since": str(home.today), "billing_day": 25, "dap_share": 0.05}
    assert _tariffs(home) == [(date(2000, 1, 1), "1F"), (JUNE, "1B"), (home.today, "1B")]
    assert api.get(URL, {"on": "2026-06-20"}).json() == read


@pytest.mark.parametrize("value", [16, 160, 1.5, -0.1, "0.16%", 0.12345])
def test_iva_is_a_fraction_and_the_refusal_says_so(api: APIClient, value: Any) -> None:
    (item,) = api.put(URL, {"iva_rate": value}, format="json").json()["detail"]
    assert (item["loc"], item["msg"]) == (["body", "iva_rate"], "El IVA es una fracción de 0 a 1, como 0.16.")


def test_the_place_proposes_what_the_contract_does_not_say_yet(api: APIClient, home: Home) -> None:
    body = api.put(URL, {"state": "ROO", "municipality": " CANCÚN "}, format="json").json()
    assert body["proposals"] == {"dap_share": 0.05, "summer_start_month": 4, "dac_region": "sur_y_peninsular"}
    assert (body["dap_share"], body["summer_start_month"]) == (0.0, 5)
    body = api.put(URL, {"dap_share": 0.05}, format="json").json()
    assert "dap_share" not in body["proposals"]


@pytest.mark.parametrize(
    ("state", "municipality", "expected"),
    [
        ("SON", "Hermosillo", {"summer_start_month": 5, "dap_mxn": Decimal("146.30"), "dac_region": "noroeste"}),
        ("JAL", "Zapopan", {}),
        ("", "Cancún", {}),
    ],
)
def test_a_place_proposes_what_is_known_of_it_and_no_more(state: str, municipality: str, expected: dict[str, Any]) -> None:
    assert proposals(state, municipality) == expected


def test_everything_that_is_proposed_is_a_term_with_a_possible_value(home: Home) -> None:
    for state, _name in Contract.State.choices:
        for name in ("Cancún", "Playa del Carmen", "Guaymas", "Hermosillo", ""):
            Contract(home=home, valid_from=JUNE, **proposals(state, name)).full_clean()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tariff", "2"),
        ("base_tariff", "DAC"),
        ("billing_months", 3),
        ("billing_day", 32),
        ("last_reading", "20/06/2026"),
        ("last_reading", "2099-06-20"),
        ("valid_from", "1999-12-31"),
        ("summer_start_month", 6),
        ("dac_region", "norte"),
        ("generation", "solar"),
        ("iva_rate", 16),
        ("dap_share", 5),
        ("dap_share", 0.00001),
        ("dap_mxn", -1),
        ("discount_mxn", "mucho"),
        ("state", "XXX"),
        ("municipality", "x" * 81),
        ("billing_months", None),
    ],
)
def test_what_no_contract_can_say_is_refused_and_changes_nothing(api: APIClient, home: Home, field: str, value: Any) -> None:
    answer = api.put(URL, {"tariff": "1c", field: value}, format="json")
    assert answer.status_code == 422
    (problem,) = answer.json()["detail"]
    assert problem["loc"] == ["body", field]
    assert len(_tariffs(home)) == 1


def test_the_contract_needs_a_login_and_shows_each_home_its_own(
    api: APIClient, anonymous_api: APIClient, stranger_api: APIClient, home: Home
) -> None:
    assert anonymous_api.get(URL).status_code == anonymous_api.put(URL, {}).status_code == 401
    stranger_api.put(URL, {"tariff": "1A"}, format="json")
    assert (api.get(URL).json()["tariff"], stranger_api.get(URL).json()["tariff"]) == ("1f", "1a")


def test_a_viewer_reads_the_contract_and_changes_nothing(home: Home) -> None:
    viewer = client_of(make_user("invitado@example.com", home, Membership.Role.VIEWER))
    assert viewer.get(URL).status_code == 200
    for url, method, name in ((URL, "put", "tariff"), ("/api/v1/users/me", "patch", "user_trf_rate")):
        answer = getattr(viewer, method)(url, {name: "1c"}, format="json")
        assert (answer.status_code, answer.json()["detail"][:11]) == (403, "Como invita")
    assert len(_tariffs(home)) == 1


def test_an_administrator_without_a_home_gets_a_sentence(db: None) -> None:
    admin = client_of(User.objects.create_superuser("admin@example.com", "secreta123", name="Admin"))
    assert admin.get(URL).json() == {"detail": "Tu cuenta no pertenece a ningún hogar."}
    assert admin.put(URL, {}, format="json").status_code == 403


def test_reading_the_contract_takes_a_fixed_number_of_queries(
    api: APIClient, django_assert_num_queries: Callable[[int], Any]
) -> None:
    with django_assert_num_queries(4):  # user, home, contract; what measures the home has returned
        api.get(URL)
