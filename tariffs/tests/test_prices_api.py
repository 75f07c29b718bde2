from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from tariffs.selectors.prices import mexican_today

URL = "/api/v1/tariffs"
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("prices")]


def _get(api: APIClient, **query: str) -> dict[str, Any]:
    answer = api.get(URL, query)
    assert answer.status_code == 200
    return dict(answer.json())


def test_anybody_reads_the_prices_of_a_tariff_in_a_month(anonymous_api: APIClient) -> None:
    body = _get(anonymous_api, date="2026-05-17", tariff="1B")
    assert body["month"] == "2026-05"
    summer = next(tariff for tariff in body["tariffs"] if tariff["season"] == "verano")
    assert {name: summer[name] for name in summer if name != "tiers"} == {
        "tariff": "1b",
        "region": "nacional",
        "season": "verano",
        "price_month": "2026-05",
        "fixed_charge_mxn_month": None,
        "scheme": None,
    }
    assert summer["tiers"][1] == {
        "tier": "intermedio",
        "level_name": "Intermedio",
        "price_mxn_per_kwh": 1.163,
        "lower_kwh_month": 125,
        "upper_kwh_month": 225,
        "provenance": "published",
    }
    assert [tier["upper_kwh_month"] for tier in summer["tiers"]] == [125, 225, None]


def test_without_a_question_it_is_every_tariff_of_today(anonymous_api: APIClient) -> None:
    body = _get(anonymous_api)
    assert body["month"] == f"{mexican_today():%Y-%m}"
    assert {tariff["tariff"] for tariff in body["tariffs"]} == {"1", "1a", "1b", "1c", "1d", "1e", "1f", "DAC"}


def test_a_month_without_prices_gets_the_last_ones_known_and_their_month(anonymous_api: APIClient) -> None:
    (dac, *_rest) = _get(anonymous_api, date="2026-11-05", tariff="dac")["tariffs"]
    assert (dac["price_month"], dac["tiers"][0]["level_name"]) == ("2026-10", "Energía")
    assert dac["fixed_charge_mxn_month"] > 100
    assert _get(anonymous_api, date="2019-11-05")["tariffs"] == []


@pytest.mark.parametrize(("query", "field"), [({"date": "ayer"}, "date"), ({"tariff": "9"}, "tariff")])
def test_a_question_that_makes_no_sense_is_refused(anonymous_api: APIClient, query: dict[str, str], field: str) -> None:
    answer = anonymous_api.get(URL, query)
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["query", field])
    assert "max-age" not in answer.get("Cache-Control", "")  # nobody keeps a refusal


def test_each_season_of_a_date_to_come_has_the_last_prices_known_of_it(anonymous_api: APIClient) -> None:
    tariffs = _get(anonymous_api, date="2027-06-15", tariff="1c")["tariffs"]
    assert [(tariff["season"], tariff["price_month"]) for tariff in tariffs] == [
        ("fuera_verano", "2026-12"),
        ("verano", "2026-10"),
    ]


def test_anybody_may_keep_the_answer_and_ask_whether_it_still_holds(anonymous_api: APIClient) -> None:
    answer = anonymous_api.get(URL, {"date": "2026-05-17"})
    assert {"public", "max-age=3600"} <= set(answer["Cache-Control"].split(", "))
    again = anonymous_api.get(URL, {"date": "2026-05-17"}, HTTP_IF_NONE_MATCH=answer["ETag"])
    assert (again.status_code, again.content) == (304, b"")


def test_an_expired_token_does_not_get_in_the_way(anonymous_api: APIClient) -> None:
    assert anonymous_api.get(URL, HTTP_AUTHORIZATION="Bearer nonsense").status_code == 200


def test_the_list_is_one_query(anonymous_api: APIClient, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(1):
        anonymous_api.get(URL)
