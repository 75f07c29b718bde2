"""Settings: each missing or bad value names itself and what it takes; `.env.example` knows each."""

import ast
import os
import re
import subprocess
import sys
from decimal import Decimal

import pytest
from django.core.exceptions import ImproperlyConfigured

from ecowatt import env
from ecowatt.env_files import ROOT

GOOD = {
    "ECOWATT_DOTENV": "off",
    "KEY_SECRET": "k" * 48,
    "URL_DATABASE_SQL": "postgresql+psycopg2://user:pass%40word@db.example.com:5433/energy?sslmode=require",
    "URL_DATABASE_REDIS": "redis://127.0.0.1:6379/0",
    "ALLOWED_HOSTS": "ecowatt.example.com, api.example.com",
    "LOG_LEVEL": "info",
    "HTTPS_ONLY": "",
    "WEB_PORT": "",
}
# A bad value of each kind, and what the message must say besides the name. None: the setting is missing.
BAD: dict[str, list[tuple[str | None, str]]] = {
    "KEY_SECRET": [(None, "is not set. Make one with"), ("changeme", "has 8 characters, but it takes at least 32")],
    "URL_DATABASE_SQL": [(None, "is not set. It takes an address such as postgresql://"), ("db.example.com", "can't be read")],
    "URL_DATABASE_REDIS": [(None, "is not set"), ("http://x", "can't be read"), ("redis://h:port/0", "can't be read")],
    "DEBUG": [("maybe", "'maybe', but it takes true or false")],
    "HTTPS_ONLY": [("2", "true or false")],
    "CORS_ALLOW_ALL_ORIGINS": [("si", "true or false")],
    "CORS_ALLOWED_ORIGINS": [("app.example.com", "origins such as https://"), ("https://a.example.com/path", "origins such as")],
    "CSRF_TRUSTED_ORIGINS": [("*", "origins such as https://")],
    "WEB_PORT": [("http", "a whole number from 1 to 65535"), ("0", "from 1 to 65535"), ("70000", "from 1 to 65535")],
    "MQTT_BROKER_PORT": [("-1", "from 1 to 65535")],
    "PROXY_COUNT": [("1.5", "a whole number from 0 to 10")],
    "ACCESS_TOKEN_EXPIRE_MINUTES": [("0", "from 1 to")],
    "TELEMETRY_RETENTION_DAYS": [("7", "from 8 to 3650"), ("99999999999", "from 8 to 3650")],
    "TELEMETRY_MAX_POWER_W": [("nan", "a number of at least 1"), ("inf", "at least 1"), ("much", "at least 1")],
    "CARBON_EMISSION_FACTOR_KG_PER_KWH": [("NaN", "a number such as 0.444"), ("-1", "such as 0.444"), ("0,4", "such as 0.444")],
    "ALGORITHM": [("none", "one of: HS256, HS384, HS512"), ("RS256", "one of: HS256")],
    "LOG_LEVEL": [("loud", "one of: DEBUG, INFO")],
    "LOG_FORMAT": [("xml", "one of: console, json")],
    "BREVO_SENDER_EMAIL": [("EcoWatt", "an address such as")],
    "BREVO_API_KEY": [("xkeysib-1", "BREVO_SENDER_EMAIL is not set, but BREVO_API_KEY is")],
}
LOAD = """
import os, sys
from django.core.exceptions import ImproperlyConfigured
good = dict(os.environ)
for line in sys.stdin.read().splitlines():
    name, _, value = line.partition("=")
    os.environ.clear()
    os.environ.update(good)
    os.environ.update({name: value} if value else {})
    value or os.environ.pop(name, None)
    sys.modules.pop("ecowatt.settings", None)
    try:
        import ecowatt.settings
        print("accepted", name, value)
    except ImproperlyConfigured as error:
        print(error)
    finally:
        sys.modules["ecowatt"].__dict__.pop("settings", None)
"""


def load(lines: list[str]) -> list[str]:
    """Load the settings in a process of its own, once for each line NAME=value (none: the name is missing); return what it said."""
    bare = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "VIRTUAL_ENV"}}
    done = subprocess.run(
        [sys.executable, "-c", LOAD],
        input="\n".join(lines),
        env=bare | GOOD,
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_each_missing_or_bad_setting_names_itself_and_what_it_takes() -> None:
    cases = [(name, value, words) for name, values in BAD.items() for value, words in values]
    said = load([f"{name}={value or ''}" for name, value, _words in cases])
    assert len(said) == len(cases)
    for (name, value, words), line in zip(cases, said, strict=True):
        assert name in line, (name, value, line)
        assert words in line, (name, value, line)
        assert not line.startswith("accepted")


def test_good_settings_are_accepted() -> None:
    lines = ["DEBUG=On", "WEB_PORT=8001", "CORS_ALLOWED_ORIGINS=https://app.example.com, http://localhost:5173"]
    assert [line.split()[0] for line in load(lines)] == ["accepted"] * len(lines)


def test_the_database_address_may_be_the_one_that_operators_have() -> None:
    script = "import json, ecowatt.settings as s; print(json.dumps([s.DATABASES['default'], s.ALLOWED_HOSTS, s.LOG_LEVEL, s.WEB_PORT]))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PATH": os.environ["PATH"]} | GOOD,
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=True,
    )
    database, hosts, level, port = ast.literal_eval(done.stdout.replace("true", "True").replace("false", "False"))
    assert (database["HOST"], database["PORT"], database["NAME"]) == ("db.example.com", 5433, "energy")
    assert (database["USER"], database["PASSWORD"]) == ("user", "pass@word")
    assert database["OPTIONS"] == {"sslmode": "require"}
    assert (hosts, level, port) == (["ecowatt.example.com", "api.example.com"], "INFO", 8000)


@pytest.mark.parametrize(("value", "expected"), [("", None), ("0.444", Decimal("0.444")), (" 0 ", Decimal(0))])
def test_a_decimal_may_be_absent(monkeypatch: pytest.MonkeyPatch, value: str, expected: Decimal | None) -> None:
    monkeypatch.setenv("FACTOR", value)
    assert env.decimal_or_none("FACTOR") == expected


def test_a_missing_sender_is_fine_without_a_mail_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BREVO_API_KEY", raising=False)
    monkeypatch.setenv("SENDER", "EcoWatt <avisos@example.com>")
    assert env.sender("SENDER", "", required_by="BREVO_API_KEY") == "EcoWatt <avisos@example.com>"
    monkeypatch.setenv("BREVO_API_KEY", "key")
    monkeypatch.delenv("SENDER")
    with pytest.raises(ImproperlyConfigured, match="SENDER is not set, but BREVO_API_KEY is"):
        env.sender("SENDER", "", required_by="BREVO_API_KEY")


def test_the_example_names_exactly_the_settings_that_are_read() -> None:
    tree = ast.parse((ROOT / "ecowatt" / "settings.py").read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("env.")]
    read = {ast.literal_eval(call.args[0]) for call in calls}
    named = re.findall(r"^#? ?([A-Z][A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert sorted(named) == sorted(read)
