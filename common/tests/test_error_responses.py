from typing import Any

import pytest
from rest_framework.test import APIClient

LOGIN = "/api/v1/auth/login"
NOT_JSON = {
    "type": "json_invalid",
    "loc": ["body"],
    "msg": "El cuerpo de la petición no es JSON válido.",
    "input": None,
}


def send(client: APIClient, body: Any, kind: str = "application/json") -> Any:
    return client.generic("POST", LOGIN, body, content_type=kind)


def test_an_unknown_path_answers_json(anonymous_api: APIClient) -> None:
    answer = anonymous_api.get("/api/v1/nada")
    assert answer.status_code == 404
    assert answer.json() == {"detail": "No encontrado."}


def test_the_root_greets(anonymous_api: APIClient) -> None:
    assert anonymous_api.get("/").json()["api"] == "/api/v1"


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "nada",
        '{"a": NaN}',
        '{"a": 1e999}',
        '{"a": "\\ud800"}',
        '{"\\udfff": 1}',
        b'{"a": "\xff"}',
        "[" * 5000,
        '{"a":' * 100 + "1" + "}" * 100,
        "\ufeff{}",
        " ",
    ],
)
def test_a_body_that_can_not_be_read_is_named_so(anonymous_api: APIClient, db: None, body: str | bytes) -> None:
    answer = send(anonymous_api, body)
    assert (answer.status_code, answer.json()) == (422, {"detail": [NOT_JSON]})


@pytest.mark.parametrize("body", ["[]", '[{"user_password": "secreta123"}]', '"texto"', "5", "true", "null"])
def test_a_body_that_is_no_object_is_refused_without_repeating_it(anonymous_api: APIClient, db: None, body: str) -> None:
    answer = send(anonymous_api, body)
    item = {"type": "dict_type", "loc": ["body"], "msg": "El cuerpo de la petición debe ser un objeto JSON.", "input": None}
    assert (answer.status_code, answer.json()) == (422, {"detail": [item]})


@pytest.mark.parametrize("kind", ["application/json", ""])
def test_an_empty_body_is_told_what_is_missing(anonymous_api: APIClient, db: None, kind: str) -> None:
    answer = send(anonymous_api, "", kind)
    assert answer.status_code == 422
    assert [item["type"] for item in answer.json()["detail"]] == ["required", "required"]


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "ñ", "404/401"]
)
def test_another_content_type_is_refused(anonymous_api: APIClient, db: None, kind: str) -> None:
    answer = send(anonymous_api, "user_email=ana", kind)
    assert answer.status_code == 415
    assert answer.json() == {"detail": "El cuerpo de la petición debe ser JSON (application/json)."}


def test_a_body_above_the_limit_is_refused(anonymous_api: APIClient, db: None) -> None:
    answer = send(anonymous_api, '{"user_email": "' + "a" * 70_000 + '"}')
    assert (answer.status_code, answer.json()) == (413, {"detail": "El cuerpo de la petición es demasiado grande."})


def test_another_method_is_refused(anonymous_api: APIClient, db: None) -> None:
    answer = anonymous_api.put(LOGIN, {}, format="json")
    assert (answer.status_code, answer.json()) == (405, {"detail": "Método no permitido."})
    assert "POST" in answer["Allow"]


def test_another_form_of_answer_is_refused(anonymous_api: APIClient, db: None) -> None:
    answer = anonymous_api.post(LOGIN, {}, format="json", HTTP_ACCEPT="text/html")
    assert (answer.status_code, answer.json()) == (406, {"detail": "Solo respondemos en JSON."})


def test_a_secret_is_not_repeated_at_any_depth(anonymous_api: APIClient, db: None) -> None:
    body = {"user_email": [{"user_password": "secreta123", "otro": 1}], "user_password": "corta12"}
    answer = anonymous_api.post(LOGIN, body, format="json")
    assert [item["input"] for item in answer.json()["detail"]] == [[{"otro": 1}], None]
    assert "secreta123" not in answer.content.decode()
