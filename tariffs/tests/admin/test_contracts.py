import csv
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse, reverse_lazy

from accounts.models import Contract, Home, User
from devices.models import Device
from tariffs.selectors.cycles import cycle_bounds, cycle_on
from tariffs.tests.homes import used_hourly
from telemetry.models import Hour

LIST = reverse_lazy("admin:accounts_contract_changelist")
BILL = reverse_lazy("admin:accounts_contract_bill")
PAPER = [  # the real bill B01
    "Consumo: 328 kWh · verano · precios de 2026-05",
    "",
    "Concepto kWh Precio Importe",
    "Básico (verano) 250 1.004 251.00",
    "Intermedio (verano) 78 1.163 90.71",
    "Energía 341.71",
    "IVA 54.67",
    "Facturación del periodo 396.38",
    "Alumbrado público (DAP) 8.54",
    "Total 404.92",
    "TOTAL A PAGAR $404",
    "Centavos para el próximo recibo 0.92",
    "",
    "Certeza: exacto",
]


@pytest.fixture
def contract(home: Home) -> Contract:
    contract = home.contract
    contract.tariff, contract.billing_months, contract.summer_start_month = "1B", 2, 4
    contract.dap_share = Decimal("0.025")
    contract.save()
    return contract


def _papers(answer: HttpResponse) -> list[list[str]]:
    texts = re.findall(r"<pre[^>]*>(.*?)</pre>", answer.content.decode(), re.DOTALL)
    return [[" ".join(line.split()) for line in text.splitlines()] for text in texts]


@pytest.mark.usefixtures("prices")
def test_the_action_shows_a_real_bill_as_on_paper(staff: Client, contract: Contract) -> None:
    chosen = {"action": "what_would_they_bill", ACTION_CHECKBOX_NAME: [contract.pk]}
    page = staff.post(LIST, chosen)["Location"]
    answer = staff.get(page, {"pk": contract.pk, "start": "2026-04-18", "end": "2026-06-20", "kwh": "328"})
    assert page == f"{BILL}?pk={contract.pk}"
    assert _papers(answer) == [PAPER]
    assert "tarifa 1B · del 2026-04-18 al 2026-06-20" in answer.content.decode()


@pytest.mark.usefixtures("prices")
def test_the_contract_s_own_page_leads_to_its_bill(staff: Client, contract: Contract) -> None:
    page = staff.get(reverse("admin:accounts_contract_change", args=[contract.pk])).content.decode()
    link = re.search(r'href="([^"]*/bill[^"]*)"', page)
    assert link
    assert staff.get(link[1])["Location"] == f"{BILL}?pk={contract.pk}"


@pytest.mark.usefixtures("prices")
def test_by_default_it_is_the_running_cycle_with_the_kwh_measured_in_it(
    staff: Client, contract: Contract, meter: Device, stranger: User
) -> None:
    contract.home.refresh_from_db(fields=["contracts"])
    cycle = cycle_on(contract.home, contract.home.today)
    start, _end = cycle_bounds(contract.home, cycle)
    Hour.objects.create(
        device_id=meter.pk, channel=0, start=start, measured_wh=77_900, recovered_wh=0, returned_wh=0, covered_s=3600, samples=1
    )
    text = staff.get(BILL, {"pk": [contract.pk, stranger.home.contract.pk]}).content.decode()
    assert "Consumo: 78 kWh" in text
    assert f"del {cycle.start} al {cycle.end}" in text
    assert "No hay medición en el periodo: escribe los kWh." in text


@pytest.mark.usefixtures("prices")
def test_measured_kwh_of_a_period_that_is_not_wholly_known_are_said_to_be_a_lower_bound(
    staff: Client, contract: Contract, meter: Device
) -> None:
    start, end = datetime(2026, 4, 18, 6, tzinfo=UTC), datetime(2026, 6, 20, 6, tzinfo=UTC)
    used_hourly(meter, start, end - timedelta(days=5), lambda _hour: 200.0)
    query = {"pk": contract.pk, "start": "2026-04-18", "end": "2026-06-20"}
    part = staff.get(BILL, query).content.decode()
    used_hourly(meter, end - timedelta(days=5), end, lambda _hour: 200.0)
    whole = staff.get(BILL, query).content.decode()
    assert ["Certeza: estimación" in part, "son al menos estos" in part] == [True, True]
    assert ["Certeza: exacto" in whole, "Consumo: 302 kWh" in whole] == [True, True]


@pytest.mark.usefixtures("prices")
def test_the_form_of_one_contract_begins_with_its_running_cycle(staff: Client, contract: Contract, meter: Device) -> None:
    contract.home.refresh_from_db(fields=["contracts"])
    cycle = cycle_on(contract.home, contract.home.today)
    text = staff.get(BILL, {"pk": contract.pk}).content.decode()
    assert [f'value="{day}"' in text for day in cycle] == [True, True]
    other = staff.get(BILL, {"pk": contract.pk, "start": "", "end": "", "kwh": ""}).content.decode()
    assert [f'value="{day}"' in other for day in cycle] == [False, False]
    assert f"del {cycle.start} al {cycle.end}" in other


@pytest.mark.usefixtures("prices")
def test_each_contract_bills_by_its_own_terms(staff: Client, contract: Contract, stranger: User) -> None:
    other = stranger.home.contract
    query = {"pk": [contract.pk, other.pk], "start": "2026-04-18", "end": "2026-06-20", "kwh": "328"}
    papers = _papers(staff.get(BILL, query))
    assert len(papers) == 2
    assert PAPER in papers
    assert papers[0] != papers[1]


def test_a_bill_that_can_not_be_says_why(staff: Client, contract: Contract) -> None:
    query = {"pk": contract.pk, "start": "2026-04-18", "end": "2026-06-20", "kwh": "328"}
    assert "Los precios de CFE de esta tarifa no están cargados." in staff.get(BILL, query).content.decode()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"end": "2026-04-18"}, "end"),
        ({"end": ""}, "end"),
        ({"end": "2026-07-28"}, "end"),
        ({"kwh": "-1"}, "kwh"),
        ({"start": "ayer"}, "start"),
        ({"start": "0001-01-01", "end": "9999-12-31"}, "start end"),
    ],
)
def test_what_is_no_period_is_refused_in_the_form(staff: Client, contract: Contract, changes: dict[str, str], field: str) -> None:
    query = {"pk": str(contract.pk), "start": "2026-04-18", "end": "2026-06-20", "kwh": "328"}
    answer = staff.get(BILL, query | changes)
    assert set(answer.context["form"].errors) == set(field.split())
    assert answer.context["bills"] == []


def test_the_page_of_no_contract_asks_for_some(staff: Client) -> None:
    assert "Elige contratos en la lista." in staff.get(BILL, {"pk": ["x", "999999", "9" * 30]}).content.decode()


def test_more_contracts_than_a_page_holds_are_refused(staff: Client, contract: Contract) -> None:
    days = [date(2026, 1, 1) + timedelta(days=day) for day in range(20)]
    Contract.objects.bulk_create([Contract(home=contract.home, valid_from=day) for day in days])
    chosen = {"action": "what_would_they_bill", ACTION_CHECKBOX_NAME: list(Contract.objects.values_list("pk", flat=True))}
    assert "Elige 20 contratos como máximo." in staff.post(LIST, chosen, follow=True).content.decode()


def test_every_page_of_the_contracts_opens(staff: Client, contract: Contract) -> None:
    queries = [{}, {"q": "dueno@example.com"}, {"tariff__exact": "1B", "billing_months__exact": "2"}]
    assert [len(staff.get(LIST, query).context["cl"].result_list) for query in queries] == [1, 1, 1]
    assert len(staff.get(LIST, {"q": "ajeno@example.com"}).context["cl"].result_list) == 0
    pages = [reverse(f"admin:accounts_contract_{page}", args=[contract.pk]) for page in ("change", "delete", "history")]
    assert [staff.get(page).status_code for page in [*pages, reverse("admin:accounts_contract_add")]] == [200] * 4


def test_a_home_keeps_its_last_contract(staff: Client, contract: Contract) -> None:
    page = reverse("admin:accounts_contract_delete", args=[contract.pk])
    assert "El único contrato de Casa de Dueno" in staff.get(page).content.decode()
    staff.post(page, {"post": "yes"})
    assert Contract.objects.filter(pk=contract.pk).exists()
    Contract.objects.create(home=contract.home, valid_from=date(2026, 1, 1))
    assert staff.post(page, {"post": "yes"}).status_code == 302
    assert not Contract.objects.filter(pk=contract.pk).exists()
    assert staff.post(reverse("admin:accounts_home_delete", args=[contract.home_id]), {"post": "yes"}).status_code == 302
    assert not Home.objects.filter(pk=contract.home_id).exists()


def test_contracts_are_exported_without_formulas(staff: Client, contract: Contract) -> None:
    Home.objects.filter(pk=contract.home_id).update(name="=HYPERLINK(1)")
    (row,) = csv.DictReader(staff.get(reverse("admin:accounts_contract_export")).content.decode().splitlines())
    assert (row["home__name"], row["tariff"], row["billing_months"]) == ("'=HYPERLINK(1)", "1B", "2")
    assert (row["valid_from"], row["dap_share"], row["last_reading"]) == ("2000-01-01", "0.0250", "")


def test_who_may_not_see_contracts_gets_nothing_of_them(staff_with: Callable[..., Client], contract: Contract) -> None:
    staff = staff_with("view_home", "view_price")
    names = ("change", "history", "what_would_this_bill")
    pages = [reverse(f"admin:accounts_contract_{name}", args=[contract.pk]) for name in names]
    pages += [str(LIST), str(BILL), reverse("admin:accounts_contract_export"), f"{BILL}?pk={contract.pk}"]
    assert [staff.get(page).status_code for page in pages] == [403] * len(pages)


@pytest.mark.usefixtures("prices")
def test_who_may_see_contracts_sees_their_bills(staff_with: Callable[..., Client], contract: Contract) -> None:
    staff = staff_with("view_contract")
    query = {"pk": contract.pk, "start": "2026-04-18", "end": "2026-06-20", "kwh": "328"}
    assert _papers(staff.get(BILL, query)) == [PAPER]
