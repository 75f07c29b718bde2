"""How the endpoints of every app describe their answers in the OpenAPI schema."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema_field
from rest_framework import serializers

Responses = dict[int, OpenApiResponse]


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The access token, as Swagger's "Authorize" asks for it."""

    target_class = "accounts.security.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Return the scheme."""
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "`access_token` of /auth/login."}


class ErrorSerializer(serializers.Serializer[dict[str, str]]):
    """A sentence for the user."""

    detail = serializers.CharField()


@extend_schema_field({"type": "array", "items": {"type": ["string", "integer"]}})
class PlaceField(serializers.ListField):
    """`body` or `query`, then names and indexes."""


@extend_schema_field({"description": "What was sent there, without secrets; anything, or null."})
class SentField(serializers.JSONField):
    """Whatever the caller sent."""


class FieldErrorSerializer(serializers.Serializer[dict[str, object]]):
    """What is wrong at one place of the request."""

    type = serializers.CharField()
    loc = PlaceField()
    msg = serializers.CharField(help_text="A sentence for the user.")
    input = SentField()


class ValidationErrorSerializer(serializers.Serializer[dict[str, object]]):
    """Everything that is wrong with the request, all at once."""

    detail = FieldErrorSerializer(many=True)


def answer(serializer: Any, value: object, description: str = "") -> OpenApiResponse:
    """Return a success with an example of its body; of a list's item, where the serializer has many."""
    example = OpenApiExample("Respuesta", value=value, response_only=True)
    return OpenApiResponse(serializer, description=description, examples=[example])


def asking(value: object) -> list[OpenApiExample]:
    """Return an example of the request's body."""
    return [OpenApiExample("Petición", value=value, request_only=True)]


def refusals(sentences: Mapping[int, str | tuple[str, ...]]) -> Responses:
    """Return a response per status code, whose examples are the sentences that the user reads."""
    return {
        code: _refusal(ErrorSerializer, {text: text for text in ([texts] if isinstance(texts, str) else texts)})
        for code, texts in sentences.items()
    }


def invalid(field: str, message: str, *, value: object = None, kind: str = "invalid", place: str = "body") -> Responses:
    """Return the 422 response with one wrong field as its example."""
    item = {"type": kind, "loc": [place, field], "msg": message, "input": value}
    return {422: _refusal(ValidationErrorSerializer, {message: [item]})}


def _refusal(serializer: Any, details: Mapping[str, object]) -> OpenApiResponse:
    """Describe an error body by its `detail`s, each under the sentence that the user reads."""
    examples = [OpenApiExample(text, value={"detail": detail}, response_only=True) for text, detail in details.items()]
    return OpenApiResponse(serializer, description=" / ".join(details), examples=examples)


NEEDS_LOGIN = refusals({401: ("No autenticado", "No se pudieron validar las credenciales")})
