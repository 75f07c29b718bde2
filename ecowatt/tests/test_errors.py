from rest_framework.test import APIClient


def test_an_unknown_path_answers_json(anonymous_api: APIClient) -> None:
    answer = anonymous_api.get("/api/v1/nada")
    assert answer.status_code == 404
    assert answer.json() == {"detail": "No encontrado."}


def test_the_root_greets(anonymous_api: APIClient) -> None:
    assert anonymous_api.get("/").json()["api"] == "/api/v1"
