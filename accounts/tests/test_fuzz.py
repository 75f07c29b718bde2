import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from accounts.api.urls import urlpatterns
from accounts.tests.requests import ENDPOINTS
from conftest import client_of

FIELDS = [
    *("user_email", "user_password", "user_name", "user_trf_rate", "user_billing_day"),
    *("refresh_token", "token", "new_password", "fcm_token", "device_name", "platform"),
    *("valid_from", "tariff", "last_reading", "dap_share", "dap_mxn", "state", "municipality", "base_tariff"),
]
text = st.text(st.characters(codec=None), max_size=150)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=8,
)
plausible = st.sampled_from(
    [
        "ana@example.com",
        "ANA@example.com",
        "secreta123",
        "Ana López",
        "1f",
        "dac",
        15,
        "15",
        "t" * 120,
        "android",
        "a\0b",
        "\ud800",
    ]
)
bodies = st.dictionaries(st.sampled_from(FIELDS), plausible | json_values, max_size=len(FIELDS)) | json_values


def test_every_endpoint_with_a_body_is_listed_here() -> None:
    assert len({path for _, path in ENDPOINTS}) == len(urlpatterns)


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=bodies)
def test_no_json_body_crashes_an_endpoint(owner: Any, settings: Any, method: str, path: str, body: Any) -> None:
    settings.AUTH_REQUESTS_PER_ADDRESS_PER_MINUTE = settings.MAILS_PER_ACCOUNT_PER_HOUR = 10**6
    answer = _send(client_of(owner), method, path, json.dumps(body))
    assert answer.status_code in {200, 201, 400, 401, 409, 422, 429}
    assert answer.status_code < 400 or _is_told(answer.json())


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
@hypothesis_settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=st.binary(max_size=200))
def test_no_bytes_crash_an_endpoint(owner: Any, settings: Any, method: str, path: str, body: bytes) -> None:
    settings.AUTH_REQUESTS_PER_ADDRESS_PER_MINUTE = 10**6
    answer = _send(client_of(owner), method, path, body)
    assert answer.status_code == 422 or (answer.status_code == 200 and not body)


def _send(client: APIClient, method: str, path: str, body: Any) -> Any:
    return client.generic(method.upper(), f"/api/v1/{path}", body, content_type="application/json")


def _is_told(answer: dict[str, Any]) -> bool:
    """Tell whether the app finds a sentence, without digits that it would take for a code."""
    detail = answer["detail"]
    sentence = detail if isinstance(detail, str) else detail[0]["msg"]
    return bool(sentence) and "401" not in sentence and "404" not in sentence
