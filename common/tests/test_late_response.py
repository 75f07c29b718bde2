"""What a late response answers, however its body's making ends."""

from typing import Any

import orjson
import pytest
from django.db import OperationalError
from django.utils import translation
from django.utils.translation import gettext as _

from common.exceptions import Unavailable
from common.late_response import LateResponse


async def finished(finish: Any) -> tuple[int, Any, dict[str, str]]:
    response = LateResponse(finish)
    await response.finish()
    assert response.headers["Content-Length"] == str(len(response.content))
    return response.status_code, orjson.loads(response.content), dict(response.headers)


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        (Unavailable("Vuelve más tarde.", retry_after_s=7), 503, "Vuelve más tarde."),
        (OperationalError("gone"), 503, "El servicio no está disponible. Inténtalo de nuevo más tarde."),
        (RuntimeError("secret"), 500, "Error interno del servidor."),
    ],
)
async def test_what_is_raised_is_answered_in_the_form_of_the_api(error: Exception, status: int, detail: str) -> None:
    async def finish() -> tuple[int, Any]:
        raise error

    code, body, headers = await finished(finish)
    assert (code, body, headers["Content-Type"]) == (status, {"detail": detail}, "application/json")
    assert headers.get("Retry-After") == ("7" if isinstance(error, Unavailable) else None)


async def test_the_body_is_in_the_language_of_the_request() -> None:
    async def finish() -> tuple[int, Any]:
        return 202, {"detail": _("Método no permitido.")}

    with translation.override("en"):
        response = LateResponse(finish)
    await response.finish()
    assert (response.status_code, orjson.loads(response.content)) == (202, {"detail": "Method not allowed."})
