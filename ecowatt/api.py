"""The API's error form: JSON with `detail`, a Spanish sentence or a list whose items carry `msg`."""

from collections.abc import Iterator
from typing import Any

import structlog
from django.http import HttpRequest, JsonResponse
from django.utils.translation import gettext as _
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_exception_handler

from ecowatt.exceptions import DomainError

log = structlog.get_logger(__name__)

SECRET_FIELDS = {"user_password", "new_password", "token", "refresh_token", "fcm_token"}


def error_item(*, kind: str, loc: list[str | int], message: str, value: Any = None) -> dict[str, Any]:
    """Return one entry of a 422 `detail` list."""
    return {"type": kind, "loc": loc, "msg": message, "input": value}


def _items(errors: Any, loc: list[str | int], data: Any) -> Iterator[dict[str, Any]]:
    """Walk DRF's nested errors; `data` is what the caller sent at that place."""
    if isinstance(errors, dict):
        for name, inner in errors.items():
            inside = data.get(name) if isinstance(data, dict) else None
            field = [] if name == "non_field_errors" else [name]
            yield from _items(inner, [*loc, *field], None if name in SECRET_FIELDS else inside if field else data)
    elif isinstance(errors, list):
        for index, inner in enumerate(errors):
            nested = isinstance(inner, dict | list)
            if not nested:
                yield error_item(kind=str(inner.code), loc=loc, message=str(inner), value=data)
            elif inner:
                yield from _items(inner, [*loc, index], data[index] if isinstance(data, list) and index < len(data) else None)
    else:
        yield error_item(kind=str(errors.code), loc=loc, message=str(errors), value=data)


def _sent(context: dict[str, Any]) -> tuple[str, Any]:
    """Return where the caller's values stood, `body` or `query`, and the values without secrets."""
    request = context["request"]
    if request.method == "GET":
        return "query", request.query_params.dict()
    data = request.data if isinstance(request.data, dict | list) else {}
    if isinstance(data, dict):
        data = {name: value for name, value in data.items() if name not in SECRET_FIELDS}
    return "body", data


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn what a view raised into the API's error body; None leaves it to Django, which answers 500."""
    if isinstance(error, DomainError):
        return Response({"detail": str(error)}, status=error.status)
    if isinstance(error, exceptions.ParseError):
        item = error_item(kind="json_invalid", loc=["body"], message=_("El cuerpo de la petición no es JSON válido."))
        return Response({"detail": [item]}, status=status.HTTP_422_UNPROCESSABLE_ENTITY)
    if isinstance(error, exceptions.ValidationError):
        place, data = _sent(context)
        return Response({"detail": list(_items(error.detail, [place], data))}, status=status.HTTP_422_UNPROCESSABLE_ENTITY)
    if isinstance(error, exceptions.NotAuthenticated):
        error = exceptions.NotAuthenticated(_("No autenticado"))
        error.auth_header = "Bearer"  # type: ignore[attr-defined]
    return drf_exception_handler(error, context)


def _error_view(code: int, message: str) -> JsonResponse:
    return JsonResponse({"detail": message}, status=code)


def bad_request(request: HttpRequest, exception: Exception) -> JsonResponse:
    """Answer what Django itself refused."""
    return _error_view(400, _("La petición no es válida."))


def permission_denied(request: HttpRequest, exception: Exception) -> JsonResponse:
    """Answer what the caller may not do."""
    return _error_view(403, _("No tienes permiso para hacer esto."))


def not_found(request: HttpRequest, exception: Exception) -> JsonResponse:
    """Answer an unknown path."""
    return _error_view(404, _("No encontrado."))


def server_error(request: HttpRequest) -> JsonResponse:
    """Answer a crash."""
    return _error_view(500, _("Error interno del servidor."))
