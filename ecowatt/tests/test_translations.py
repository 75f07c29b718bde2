import ast
import re
from collections.abc import Iterator
from gettext import GNUTranslations
from pathlib import Path

import pytest
from django.conf import settings
from django.utils.translation.template import templatize
from rest_framework.test import APIClient

ROOT = Path(settings.BASE_DIR)
LOCALE = ROOT / "ecowatt" / "locale"
APPS = ["common", "ecowatt", "accounts", "devices", "telemetry", "tariffs", "analysis", "reports"]
MARKS = {"_", "gettext", "gettext_lazy", "ngettext", "ngettext_lazy"}
ENTRY = re.compile(r'^(msgid|msgid_plural|msgstr|msgstr\[\d\]) (".*"(?:\n".*")*)$', re.MULTILINE)


def texts_in(source: str) -> Iterator[str]:
    """Yield the texts that Python code marks for translation."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[ast.Constant(value=str(text)), *_]) if (
                name in MARKS
            ):
                yield text


def texts_of_template(path: Path) -> set[str]:
    calls = re.findall(r"""n?gettext\(u?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""", templatize(path.read_text()))
    return {text for call in calls for text in texts_in(f"{call})")}


def texts() -> set[str]:
    found: set[str] = set()
    for app in APPS:
        for path in (ROOT / app).rglob("*.py"):
            if not {"tests", "migrations"} & set(path.parts):
                found |= set(texts_in(path.read_text()))
        for path in (ROOT / app / "templates").rglob("*.*"):
            found |= texts_of_template(path)
    return found


def catalogue(language: str) -> dict[str, list[str]]:
    """Return the translations by text (several where it has a plural), as the .po file has them."""
    entries: dict[str, list[str]] = {}
    text = ""
    for kind, quoted in ENTRY.findall((LOCALE / language / "LC_MESSAGES" / "django.po").read_text()):
        value = "".join(ast.literal_eval(line) for line in quoted.splitlines())
        if kind == "msgid":
            text = value
        elif kind != "msgid_plural":
            entries.setdefault(text, []).append(value)
    del entries[""]
    return entries


def test_every_text_of_ours_is_in_the_english_catalogue_and_nothing_else() -> None:
    assert texts() == catalogue("en").keys()


@pytest.mark.parametrize("language", ["en", "es_MX"])
def test_a_catalogue_is_complete_and_certain(language: str) -> None:
    assert all(all(translations) for translations in catalogue(language).values())
    assert "fuzzy" not in (LOCALE / language / "LC_MESSAGES" / "django.po").read_text()


@pytest.mark.parametrize("language", ["en", "es_MX"])
def test_the_compiled_catalogue_is_the_written_one(language: str) -> None:
    with (LOCALE / language / "LC_MESSAGES" / "django.mo").open("rb") as file:
        compiled = GNUTranslations(file)
    assert len(vars(compiled)["_catalog"]) == 1 + sum(map(len, catalogue(language).values()))
    for text, translations in catalogue(language).items():
        assert compiled.ngettext(text, text, 1) if len(translations) > 1 else compiled.gettext(text) == translations[0]


def test_a_translation_keeps_its_places_and_has_no_digits_that_the_app_takes_for_codes() -> None:
    for text, translations in catalogue("en").items():
        for translated in translations:
            assert re.findall(r"%\(\w+\)\w", translated) == re.findall(r"%\(\w+\)\w", text)
            assert not re.search("401|404", text + translated)


@pytest.mark.parametrize(
    ("accepted", "sentence"),
    [
        (None, "No autenticado"),
        ("es-MX,es;q=0.9", "No autenticado"),
        ("es-ES", "No autenticado"),
        ("fr-FR", "No autenticado"),
        ("en", "Not authenticated"),
        ("en-US,en;q=0.9,es;q=0.8", "Not authenticated"),
    ],
)
def test_the_api_speaks_spanish_unless_english_is_asked_for(
    anonymous_api: APIClient, db: None, accepted: str | None, sentence: str
) -> None:
    headers = {"accept-language": accepted} if accepted else {}
    assert anonymous_api.get("/api/v1/users/me", headers=headers).json() == {"detail": sentence}


def test_what_frameworks_say_about_a_field_follows_the_language(api: APIClient) -> None:
    body = {"dev_hardware_id": "A" * 256, "dev_name": "TV"}
    said = [
        api.post("/api/v1/devices/", body, format="json", headers={"accept-language": language}).json()["detail"][0]["msg"]
        for language in ("es-MX", "en")
    ]
    assert said == [
        "Este campo admite hasta 255 caracteres.",
        "Ensure this field has no more than 255 characters.",
    ]


CONTRACT, DEVICES, WHAT_IF = "/api/v1/contract", "/api/v1/devices/", "/api/v1/tariffs/what-if"
DEVICE = {"dev_hardware_id": "A8032412C3D4", "dev_name": "TV"}
BILL = {"period_start": "2026-05-01", "period_end": "2026-07-01", "kwh": 300, "total_mxn": 500}


@pytest.mark.parametrize(
    ("method", "path", "body", "sentence"),
    [
        ("put", CONTRACT, {"municipality": "x" * 81}, "El municipio admite hasta 80 caracteres."),
        ("put", CONTRACT, {"iva_rate": 16}, "El IVA es una fracción de 0 a 1, como 0.16."),
        (
            *("put", CONTRACT, {"dap_mxn": 1.005}),
            "La suma es un número de pesos, de 0 a 100,000, con dos decimales como máximo.",
        ),
        (
            *("post", "/api/v1/fcm/register", {"fcm_token": "x" * 100, "device_name": "n" * 256}),
            "El nombre del teléfono admite hasta 255 caracteres.",
        ),
        ("post", DEVICES, DEVICE | {"dev_hardware_id": "A8"}, "El ID de hardware debe tener al menos 12 caracteres."),
        ("post", DEVICES, DEVICE | {"dev_name": ""}, "El nombre debe tener de 1 a 100 caracteres."),
        ("post", DEVICES, DEVICE | {"dev_mqtt_prefix": "a/b/c/d"}, "El prefijo MQTT admite dos diagonales como máximo."),
        ("post", DEVICES, DEVICE | {"is_main": "casi"}, "Debe ser verdadero o falso (true o false)."),
        ("post", DEVICES, DEVICE | {"channels": [{"number": 40, "name": "TV"}]}, "El número de canal va de 0 a 31."),
        ("get", "/api/v1/devices/nearby?mac=zz", None, "La MAC tiene doce dígitos hexadecimales."),
        (
            *("post", WHAT_IF, {"kwh": 1, "budget_mxn": 2}),
            "Indica solo una de estas tres cosas: los kWh, un presupuesto o las horas de un dispositivo.",
        ),
        ("post", WHAT_IF, {"budget_mxn": 1.234}, "El presupuesto es un número de pesos, con dos decimales como máximo."),
        (
            *("post", "/api/v1/bills", BILL | {"total_mxn": 1.234}),
            "El total es un número de pesos con dos decimales como máximo, que no pasa de diez millones.",
        ),
        (
            *("get", "/api/v1/history/graph?from=2020-01-01&resolution=5m", None),
            "Son demasiados puntos; acorta el periodo o elige una resolución mayor.",
        ),
        ("get", "/api/v1/history/graph?channel=40", None, "Este valor debe ser 31 como máximo."),
        ("get", "/api/v1/history/graph?device_id=x", None, "Escribe un número entero."),
        (
            *("get", "/api/v1/history/export?from=2020-01-01&resolution=5m", None),
            "El periodo es demasiado largo para un archivo; pide menos días.",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_limit(
    api: APIClient, method: str, path: str, body: dict[str, object] | None, sentence: str
) -> None:
    answer = getattr(api, method)(path, body, format="json") if body else getattr(api, method)(path)
    assert answer.status_code == 422
    assert sentence in [item["msg"] for item in answer.json()["detail"]]
