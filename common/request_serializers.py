"""Bodies of requests: checked as a whole, with everything that is wrong at once."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request

UNKNOWN_KEY = "extra_forbidden"
SHOWN_LENGTH = 50


class BodySerializer(serializers.Serializer[Any]):
    """A body in which a key that it does not know is refused by name, together with all else that is wrong.

    A key that is mistyped would otherwise change nothing and be answered as if it had. `answered` are keys of the endpoint's own
    answer that a client may send back; they are passed over.
    """

    answered: ClassVar[frozenset[str]] = frozenset()

    def to_internal_value(self, data: Any) -> Any:
        """Return the values. Raises ValidationError."""
        unknown = self._unknown(data) if isinstance(data, Mapping) else {}
        try:
            values = super().to_internal_value(data)
        except ValidationError as error:
            raise ValidationError({**error.detail, **unknown}) from error  # type: ignore[dict-item]
        if unknown:
            raise ValidationError(unknown)
        return values

    def _unknown(self, data: Mapping[str, Any]) -> dict[str, list[ErrorDetail]]:
        known = {name for name, field in self.fields.items() if not field.read_only} | self.answered
        text = _("El campo «%(name)s» no existe.")
        return {name: [ErrorDetail(text % {"name": name[:SHOWN_LENGTH]}, UNKNOWN_KEY)] for name in data if name not in known}


def validated(serializer_class: type[serializers.Serializer[Any]], request: Request, **context: Any) -> dict[str, Any]:
    """Return what the request's body says, by our own names. Raises ValidationError with everything that is wrong."""
    return _validated(serializer_class(data=request.data, context=context))


def validated_query(serializer_class: type[serializers.Serializer[Any]], request: Request, **context: Any) -> dict[str, Any]:
    """Return what the request's query says, as `validated` does of a body."""
    return _validated(serializer_class(data=request.query_params, context=context))


def _validated(serializer: serializers.Serializer[Any]) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)
