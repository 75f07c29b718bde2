import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.core.management import call_command
from django.test import Client
from jsonschema import Draft202012Validator

from telemetry.ingest.http import unprocessable
from telemetry.shelly.samples import PayloadError
from telemetry.shelly.status import parse_status

APP_CALLS = """
post /api/v1/auth/login              post /api/v1/auth/refresh            post /api/v1/auth/logout
post /api/v1/auth/forgot-password    post /api/v1/auth/reset-password     post /api/v1/users/
get /api/v1/users/me                 patch /api/v1/users/me               post /api/v1/fcm/register
get /api/v1/devices/                 post /api/v1/devices/                get /api/v1/devices/{device_id}
patch /api/v1/devices/{device_id}    delete /api/v1/devices/{device_id}   patch /api/v1/devices/{device_id}/status
get /api/v1/dashboard/summary        get /api/v1/history/graph            get /api/v1/history/last7days
get /api/v1/history/export               delete /api/v1/devices/{device_id}/readings
post /api/v1/ingest/shelly           get /ws/live/{device_id}             get /ws/shelly
get /api/v1/devices/nearby
get /api/v1/devices/{device_id}/setup    post /api/v1/devices/{device_id}/setup
post /api/v1/devices/{device_id}/key     patch /api/v1/devices/{device_id}/key
post /api/v1/devices/proof           get /api/v1/devices/proof
get /api/v1/devices/{device_id}/events    post /api/v1/devices/{device_id}/replace
get /api/v1/contract                 put /api/v1/contract                 get /api/v1/tariffs
get /api/v1/bills                    post /api/v1/bills                   delete /api/v1/bills/{bill_id}
get /api/v1/bills/{bill_id}/reconciliation
get /api/v1/tariffs/outlook          post /api/v1/tariffs/what-if
post /api/v1/control/{device_id}/toggle   post /api/v1/control/{device_id}/set
post /api/v1/control/{device_id}/on       post /api/v1/control/{device_id}/off
get /api/v1/control/{device_id}/status    get /api/v1/control/{device_id}/history
get /api/v1/devices/{device_id}/schedules    post /api/v1/devices/{device_id}/schedules
patch /api/v1/devices/{device_id}/schedules/{schedule_id}
delete /api/v1/devices/{device_id}/schedules/{schedule_id}
get /api/v1/control/{device_id}/waiting   delete /api/v1/control/{device_id}/waiting/{command_id}
get /api/v1/devices/{device_id}/limits    post /api/v1/devices/{device_id}/limits
patch /api/v1/devices/{device_id}/limits/{limit_id}   delete /api/v1/devices/{device_id}/limits/{limit_id}
post /api/v1/devices/{device_id}/limits/dry-run       post /api/v1/devices/{device_id}/limits/{limit_id}/dry-run
"""
WITHOUT_LOGIN = {"auth", "ingest", "live"}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    described: dict[str, Any] = Client().get("/openapi.json").json()
    return described


def operations(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, calls in schema["paths"].items():
        for method, operation in calls.items():
            yield f"{method} {path}", operation


def bodies(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the status and the description of each body (JSON, but for a file), the request's as `request`."""
    described = {"request": operation.get("requestBody", {}), **operation["responses"]}
    for status, body in described.items():
        if "content" in body:
            (described_body,) = body["content"].values()
            yield status, described_body


def test_the_schema_is_valid_and_comes_without_warnings(tmp_path: Path) -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yaml"))


def test_every_call_of_the_app_is_described_and_nothing_else(schema: dict[str, Any]) -> None:
    assert schema["openapi"].startswith("3.1")
    assert {name for name, _ in operations(schema)} == set(re.findall(r"[a-z]+ /\S+", APP_CALLS))


def test_every_call_has_a_summary_a_tag_that_is_explained_and_a_name(schema: dict[str, Any]) -> None:
    tags = {tag["name"] for tag in schema["tags"]}
    assert all(operation["summary"] and set(operation["tags"]) <= tags for _, operation in operations(schema))
    names = [operation["operationId"] for _, operation in operations(schema)]
    assert len(set(names)) == len(names)


def test_every_body_has_examples_with_the_fields_of_its_schema_and_no_other(schema: dict[str, Any]) -> None:
    # What is described is what the serializers answer, so that an example can't tell of another field.
    closed = {name: {**each, "additionalProperties": False} for name, each in schema["components"]["schemas"].items()}
    for name, operation in operations(schema):
        for status, body in bodies(operation):
            assert body["examples"], (name, status)
            validator = Draft202012Validator({**body["schema"], "components": {"schemas": closed}})
            for example in body["examples"].values():
                errors = [error.message for error in validator.iter_errors(example["value"])]
                assert errors == [], (name, status, example)


def test_every_refusal_has_a_sentence_without_digits_that_the_app_takes_for_codes(schema: dict[str, Any]) -> None:
    for name, operation in operations(schema):
        for status, body in bodies(operation):
            if status.isdigit() and int(status) >= 400:
                for example in body["examples"].values():
                    detail = example["value"]["detail"]
                    sentence = detail if isinstance(detail, str) else detail[0]["msg"]
                    assert re.search("[a-z]", sentence), (name, status)
                    assert not re.search("401|404", sentence), (name, status)


def test_a_bearer_token_is_asked_for_wherever_the_api_needs_one(schema: dict[str, Any]) -> None:
    assert schema["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    for name, operation in operations(schema):
        is_open = bool(WITHOUT_LOGIN & set(operation["tags"])) or name in {"post /api/v1/users/", "get /api/v1/tariffs"}
        security = operation.get("security", [])
        assert (security == [{"bearer": []}]) is not is_open, name
        assert is_open or "401" in operation["responses"], name


def test_the_readings_of_the_examples_can_be_taken_in(schema: dict[str, Any]) -> None:
    operation = schema["paths"]["/api/v1/ingest/shelly"]["post"]
    _, request = next(bodies(operation))
    bodies_sent = [orjson.dumps(example["value"]) for example in request["examples"].values()]
    counts = [len(parse_status(body, max_power_w=30_000).samples) for body in bodies_sent]
    assert counts == [1, 2]
    assert set(operation["responses"]) == {"200", "404", "409", "413", "422", "429", "503"}


def test_the_refusal_of_a_reading_is_the_one_that_is_sent(schema: dict[str, Any]) -> None:
    with pytest.raises(PayloadError) as refusal:
        parse_status(b'{"sys": {}}', max_power_w=30_000)
    said = {status: body["examples"].values() for status, body in bodies(schema["paths"]["/api/v1/ingest/shelly"]["post"])}
    assert orjson.loads(unprocessable(refusal.value)[1]) in [example["value"] for example in said["422"]]


def test_the_page_asks_no_host_but_ours(client: Client) -> None:
    page = client.get("/docs")
    text = page.content.decode()
    assert "default-src 'self'" in page["Content-Security-Policy"]
    assert "<script>" not in text
    assert re.findall(r"(?:https?:)?//[^\s\"']+", text) == []
    for address in re.findall(r'(?:src|href)="([^"]+)"', text):
        assert client.get(address.replace("&amp;", "&")).status_code == 200, address
