"""The API's error form: JSON with `detail`, a Spanish sentence or a list whose items carry `msg`."""

from collections.abc import Iterator
from typing import Any

import structlog
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, JsonResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_exception_handler

from common.exceptions import DomainError, NotAuthenticated, Unprocessable
from common.json_parser import ContentTooLarge, NotAnObject, NotJSON
from common.request_serializers import UNKNOWN_KEY

log = structlog.get_logger(__name__)

SECRET_FIELDS = {"user_password", "new_password", "token", "refresh_token", "fcm_token"}

# What the frameworks would say in English, or with the caller's own words in it.
SENTENCES: dict[type[exceptions.APIException], Any] = {
    exceptions.NotAuthenticated: gettext_lazy("No autenticado"),
    exceptions.MethodNotAllowed: gettext_lazy("Método no permitido."),
    exceptions.NotAcceptable: gettext_lazy("Solo respondemos en JSON."),
    exceptions.UnsupportedMediaType: gettext_lazy("El cuerpo de la petición debe ser JSON (application/json)."),
    exceptions.Throttled: gettext_lazy("Demasiadas peticiones. Inténtalo de nuevo más tarde."),
}


def error_item(*, kind: str, loc: list[str | int], message: str, value: Any = None) -> dict[str, Any]:
    """Return one entry of a 422 `detail` list."""
    return {"type": kind, "loc": loc, "msg": message, "input": value}


def _without_secrets(value: Any) -> Any:
    """Return what was sent, without the fields that no answer may repeat, at any depth."""
    if isinstance(value, dict):
        return {name: _without_secrets(inner) for name, inner in value.items() if name not in SECRET_FIELDS}
    return [_without_secrets(inner) for inner in value] if isinstance(value, list) else value


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
                # What stands under a key that nobody knows may be a secret under a wrong name.
                value = None if inner.code == UNKNOWN_KEY else data
                yield error_item(kind=str(inner.code), loc=loc, message=str(inner), value=value)
            elif inner:
                yield from _items(inner, [*loc, index], data[index] if isinstance(data, list) and index < len(data) else None)
    else:
        yield error_item(kind=str(errors.code), loc=loc, message=str(errors), value=data)


def _sent(context: dict[str, Any]) -> tuple[str, Any]:
    """Return where the caller's values stood, `body` or `query`, and the values without secrets."""
    request = context["request"]
    if request.method in {"GET", "DELETE"}:
        return "query", request.query_params.dict()
    return "body", _without_secrets(request.data)


def _domain_response(error: DomainError) -> Response:
    headers = {}
    if isinstance(error, NotAuthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    detail: Any = str(error)
    if isinstance(error, Unprocessable):
        detail = [error_item(kind="value_error", loc=["body", error.field], message=str(error))]
    return Response({"detail": detail}, status=error.status, headers=headers)


def _unreadable_response(error: exceptions.ParseError) -> Response:
    known = error if isinstance(error, NotJSON | NotAnObject) else NotJSON()
    item = error_item(kind=str(known.get_codes()), loc=["body"], message=str(known.detail))
    return Response({"detail": [item]}, status=status.HTTP_422_UNPROCESSABLE_ENTITY)


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn what a view raised into the API's error body; None leaves it to Django, which answers 500."""
    if isinstance(error, DomainError):
        return _domain_response(error)
    if isinstance(error, exceptions.ParseError):
        return _unreadable_response(error)
    if isinstance(error, exceptions.ValidationError):
        place, data = _sent(context)
        return Response({"detail": list(_items(error.detail, [place], data))}, status=status.HTTP_422_UNPROCESSABLE_ENTITY)
    if isinstance(error, OperationalError | InterfaceError):
        log.error("database_unavailable", exc_info=error)
        return Response({"detail": _("El servicio no está disponible. Inténtalo de nuevo más tarde.")}, status=503)
    if isinstance(error, RequestDataTooBig):
        error = ContentTooLarge()
    if isinstance(error, exceptions.APIException) and type(error) in SENTENCES:
        error.detail = SENTENCES[type(error)]
    if isinstance(error, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        error.status_code, error.auth_header = status.HTTP_401_UNAUTHORIZED, "Bearer"  # type: ignore[union-attr]
    return drf_exception_handler(error, context)


def _error_view(code: int, message: str) -> JsonResponse:
    return JsonResponse({"detail": message}, status=code)


def bad_request(request: HttpRequest, exception: Exception) -> JsonResponse:
    """Answer what Django itself refused."""
    if isinstance(exception, RequestDataTooBig):
        return _error_view(ContentTooLarge.status_code, str(ContentTooLarge.default_detail))
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
