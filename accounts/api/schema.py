"""The error bodies, as the OpenAPI schema describes them."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiExample, OpenApiResponse
from rest_framework import serializers


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The access token, as Swagger's "Authorize" asks for it."""

    target_class = "accounts.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Return the scheme."""
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class ErrorSerializer(serializers.Serializer[dict[str, str]]):
    """A sentence for the user."""

    detail = serializers.CharField()


class FieldErrorSerializer(serializers.Serializer[dict[str, object]]):
    """What is wrong at one place of the request."""

    type = serializers.CharField()
    loc = serializers.ListField(child=serializers.CharField())
    msg = serializers.CharField()
    input = serializers.JSONField(allow_null=True)


class ValidationErrorSerializer(serializers.Serializer[dict[str, object]]):
    """Everything that is wrong with the request, all at once."""

    detail = FieldErrorSerializer(many=True)


def refusals(sentences: Mapping[int, str]) -> dict[int, OpenApiResponse]:
    """Return a response per status code, whose example is the sentence that the user reads."""
    return {code: _refusal(code, sentence) for code, sentence in sentences.items()}


def _refusal(code: int, sentence: str) -> OpenApiResponse:
    example = OpenApiExample(sentence, value={"detail": sentence}, response_only=True, status_codes=[str(code)])
    return OpenApiResponse(ErrorSerializer, description=sentence, examples=[example])


def invalid(field: str, message: str, *, value: object = None, kind: str = "invalid") -> dict[int, OpenApiResponse]:
    """Return the 422 response with one wrong field as its example."""
    item = {"type": kind, "loc": ["body", field], "msg": message, "input": value}
    example = OpenApiExample(message, value={"detail": [item]}, response_only=True, status_codes=["422"])
    return {422: OpenApiResponse(ValidationErrorSerializer, description="Datos no válidos.", examples=[example])}


NEEDS_LOGIN = refusals({401: "No se pudieron validar las credenciales"})
THROTTLED = refusals({429: "Demasiados intentos. Inténtalo de nuevo más tarde."})
