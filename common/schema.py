"""How the endpoints of every app describe their answers in the OpenAPI schema."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.utils import translation
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import APIException, NotAuthenticated

from common.error_responses import SENTENCES, error_item
from common.exceptions import BadCredentials, DomainError, Unprocessable
from common.fields import Sentence

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


def refusals(*errors: type[DomainError | APIException]) -> Responses:
    """Return a response per status code of these errors, with the sentences that the user reads as its examples."""
    by_status: dict[int, dict[str, object]] = {}
    for error in errors:
        if issubclass(error, Unprocessable):
            by_status.setdefault(error.status, {}).update(_wrong("body", error.field, error.sentence, kind="value_error"))
        elif issubclass(error, DomainError):
            by_status.setdefault(error.status, {})[in_spanish(error.sentence)] = in_spanish(error.sentence)
        else:
            sentence = in_spanish(SENTENCES[error])
            by_status.setdefault(error.status_code, {})[sentence] = sentence
    return {status: _refusal(details) for status, details in by_status.items()}


def invalid(field: str, sentence: Sentence, *, value: object = None, kind: str = "invalid", place: str = "body") -> Responses:
    """Return the 422 response with one wrong field as its example."""
    return {422: _refusal(_wrong(place, field, sentence, kind=kind, value=value))}


def _wrong(place: str, field: str, sentence: Sentence, *, kind: str, value: object = None) -> dict[str, object]:
    message = in_spanish(sentence)
    return {message: [error_item(kind=kind, loc=[place, field], message=message, value=value)]}


def _refusal(details: Mapping[str, object]) -> OpenApiResponse:
    """Describe an error body by its `detail`s, each under the sentence that the user reads."""
    examples = [OpenApiExample(text, value={"detail": detail}, response_only=True) for text, detail in details.items()]
    has_items = any(isinstance(detail, list) for detail in details.values())
    serializer = ValidationErrorSerializer if has_items else ErrorSerializer
    return OpenApiResponse(serializer, description=" / ".join(details), examples=examples)


def in_spanish(sentence: Sentence) -> str:
    """Return a sentence as the schema has it, whichever language its reader asks for."""
    with translation.override(settings.LANGUAGE_CODE):
        return str(sentence)


NEEDS_LOGIN = refusals(NotAuthenticated, BadCredentials)
