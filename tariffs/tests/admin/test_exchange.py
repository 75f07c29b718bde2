import re
from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse_lazy

from accounts.models import User
from tariffs.cfe.price_file import COLUMNS
from tariffs.cfe.tariffs import PRICES_FILE
from tariffs.models import Price

IMPORT = reverse_lazy("admin:tariffs_price_import")
CONFIRM = reverse_lazy("admin:tariffs_price_process_import")
EXPORT = reverse_lazy("admin:tariffs_price_export")
MAY = [
    ",".join(COLUMNS),
    "1B,verano,basico,2026-05,1.004,0,125,nacional,,published",
    "1B,verano,intermedio,2026-05,1.163,125,225,nacional,,published",
    "1B,verano,excedente,2026-05,3.984,225,,nacional,,published",
]


def _upload(staff: Client, lines: list[str] | bytes) -> HttpResponse:
    content = lines if isinstance(lines, bytes) else "\n".join(lines).encode()
    file = SimpleUploadedFile("mayo.csv", content, "text/csv")
    return staff.post(IMPORT, {"format": "0", "resource": "0", "import_file": file})  # type: ignore[return-value]


def _confirm(staff: Client, preview: HttpResponse) -> HttpResponse:
    return staff.post(CONFIRM, preview.context["confirm_form"].initial, follow=True)  # type: ignore[attr-defined,return-value]


def _text(answer: HttpResponse) -> str:
    return re.sub(r"\s+", " ", answer.content.decode())


def _stored() -> list[tuple[object, ...]]:
    return sorted(Price.objects.values_list())


@pytest.mark.usefixtures("prices")
def test_the_export_is_laid_out_as_the_project_s_own_file_and_importing_it_changes_nothing(staff: Client) -> None:
    answer = staff.get(EXPORT)
    assert answer["Content-Type"] == "text/csv"
    assert re.search(r'filename="Price-[\d-]+\.csv"', answer["Content-Disposition"])
    lines = answer.content.decode().splitlines()
    assert lines[0] == ",".join(COLUMNS)
    assert sorted(lines) == sorted(PRICES_FILE.read_text(encoding="utf-8").splitlines())
    preview = _upload(staff, answer.content)
    assert "El archivo no cambia nada" in _text(preview)


@pytest.mark.usefixtures("prices")
def test_the_export_holds_what_the_list_shows(staff: Client) -> None:
    lines = staff.get(EXPORT, {"tariff": "1B", "month": "2026-05-01"}).content.decode().splitlines()
    assert len(lines) == 7
    assert all(line.startswith("1B,") and ",2026-05," in line for line in lines[1:])


@pytest.mark.usefixtures("prices")
def test_the_preview_shows_old_and_new_and_writes_nothing_until_it_is_confirmed(staff: Client, admin_user: User) -> None:
    before = _stored()
    changed = [MAY[0], MAY[1].replace("1.004", "1.005"), MAY[3].replace("225,", "125,")]
    preview = _upload(staff, changed)
    text = _text(preview)
    assert "<del>1.004</del> <ins>1.005</ins>" in text
    assert "<del>225</del> <ins>125</ins>" in text
    assert "Nuevos: 0. Cambian: 2. Se quitan: 1. Sin cambio: 0." in text
    assert _stored() == before
    done = _confirm(staff, preview)
    assert "Precios importados: 0 nuevos, 2 cambiados, 1 quitados, 0 sin cambio." in _text(done)
    prices = Price.objects.filter(tariff="1B", season="verano", month="2026-05-01").order_by("lower_kwh_month")
    assert [(price.tier, str(price.price_mxn_per_kwh), price.lower_kwh_month) for price in prices] == [
        ("basico", "1.005", 0),
        ("excedente", "3.984", 125),
    ]
    assert {
        (record.history_user, record.history_change_reason)
        for record in Price.history.select_related("history_user").exclude(history_type="+")
    } == {(admin_user, "Importación de mayo.csv")}


def test_new_prices_come_in(staff: Client) -> None:
    preview = _upload(staff, "\r\n".join(MAY).encode("utf-8-sig"))
    assert "Nuevos: 3. Cambian: 0. Se quitan: 0. Sin cambio: 0." in _text(preview)
    assert Price.objects.count() == 0
    _confirm(staff, preview)
    assert Price.objects.count() == 3


@pytest.mark.usefixtures("prices")
def test_an_odd_price_is_pointed_out_in_the_preview(staff: Client) -> None:
    text = _text(_upload(staff, [*MAY[:2], MAY[2].replace("1.163", "3.163"), MAY[3]]))
    assert "Línea 3: 3.163 sube 173 % respecto al mes anterior (1.159)" in text


@pytest.mark.usefixtures("prices")
def test_a_bad_file_is_refused_line_by_line_and_writes_nothing(staff: Client) -> None:
    before = _stored()
    answer = _upload(staff, [MAY[0], MAY[1].replace("1.004", "1.900"), MAY[2].replace("1.163", "mucho"), "", "1B", MAY[3]])
    assert answer.context["form"].errors == {  # type: ignore[attr-defined]
        "import_file": [
            "Línea 3: price_mxn_per_kwh debe ser un número positivo con hasta 3 decimales, no 'mucho'",
            "Línea 5: tiene 1 columnas, no 10",
        ]
    }
    assert "debe ser un número positivo con hasta 3 decimales" in _text(answer)
    assert answer.context.get("confirm_form") is None  # type: ignore[attr-defined]
    assert _stored() == before


def test_a_file_that_is_no_text_is_refused(staff: Client) -> None:
    assert "El archivo no es un CSV en UTF-8." in _text(_upload(staff, b"\xff\xfe\x00"))


def test_a_file_too_large_for_prices_is_refused(staff: Client) -> None:
    assert "El archivo es demasiado grande." in _text(_upload(staff, b"x" * 1_000_001))


def test_an_import_that_is_confirmed_twice_asks_for_the_file_again(staff: Client) -> None:
    preview = _upload(staff, MAY)
    _confirm(staff, preview)
    assert "El archivo ya no está: súbelo otra vez." in _text(_confirm(staff, preview))


def test_who_may_only_see_prices_exports_and_does_not_import(staff_with: Callable[..., Client]) -> None:
    staff = staff_with("view_price")
    assert [staff.get(page).status_code for page in (EXPORT, IMPORT)] == [200, 403]
    assert staff.post(CONFIRM).status_code == 403
    page = _text(staff.get(reverse_lazy("admin:tariffs_price_changelist")))
    assert str(EXPORT) in page
    assert str(IMPORT) not in page


def test_who_may_not_see_prices_gets_nothing_of_them(staff_with: Callable[..., Client]) -> None:
    staff = staff_with("view_device")
    pages = [EXPORT, IMPORT, reverse_lazy("admin:tariffs_price_changelist"), reverse_lazy("admin:tariffs_price_add")]
    assert [staff.get(page).status_code for page in pages] == [403] * 4
