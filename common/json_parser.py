"""The one form that the API reads: a JSON object, small and strict."""

from collections.abc import Mapping
from typing import IO, Any

import orjson
from django.utils.translation import gettext_lazy
from rest_framework import exceptions, parsers, status

BODY_LIMIT_BYTES = 64 * 1024
# Nothing that the API takes is deeper; checking code may recurse freely below it.
BODY_LIMIT_LEVELS = 32


class ContentTooLarge(exceptions.APIException):
    """The body is longer than BODY_LIMIT_BYTES."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = gettext_lazy("El cuerpo de la petición es demasiado grande.")


class NotJSON(exceptions.ParseError):
    """The body can't be read."""

    default_detail = gettext_lazy("El cuerpo de la petición no es JSON válido.")
    default_code = "json_invalid"


class NotAnObject(exceptions.ParseError):
    """The body is JSON, but not an object."""

    default_detail = gettext_lazy("El cuerpo de la petición debe ser un objeto JSON.")
    default_code = "dict_type"


def _fits(value: Any, levels: int = BODY_LIMIT_LEVELS) -> bool:
    """Return whether lists and objects are nested at most so deep."""
    if isinstance(value, dict):
        value = list(value.values())
    return not isinstance(value, list) or (levels > 0 and all(_fits(inner, levels - 1) for inner in value))


class JSONParser(parsers.JSONParser):
    """Strict JSON objects: no infinities, no lone surrogates, nothing that an error body could not repeat."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Read the object. Raises ContentTooLarge, NotJSON, NotAnObject."""
        body = stream.read(BODY_LIMIT_BYTES + 1)
        if len(body) > BODY_LIMIT_BYTES:
            raise ContentTooLarge
        try:
            data = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise NotJSON from error
        if not isinstance(data, dict):
            raise NotAnObject
        if not _fits(data):
            raise NotJSON
        return data
