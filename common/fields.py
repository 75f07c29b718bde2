"""Fields of requests that several apps take, with one sentence for whatever is wrong with them."""

from datetime import date
from typing import Any

from django.utils.functional import Promise
from rest_framework import serializers

Sentence = str | Promise
OLDEST, NEWEST = date(2000, 1, 1), date(2100, 1, 1)
MISSING = ("required", "null", "blank")
WRONG = (
    *("invalid", "invalid_choice", "min_length", "max_length", "min_value", "max_value", "max_string_length"),
    *("max_digits", "max_decimal_places", "max_whole_digits"),
)


def sentences(*, wrong: Sentence, missing: Sentence | None = None) -> dict[str, Any]:
    """Return the messages of a field: one where it is not there (else the other), one for everything else."""
    return dict.fromkeys(MISSING, missing or wrong) | dict.fromkeys(WRONG, wrong)


class TextField(serializers.CharField):
    """A JSON string; numbers are not taken for one."""

    def to_internal_value(self, data: Any) -> str:
        """Return the text, trimmed where the field trims. Raises ValidationError."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class DayField(serializers.DateField):
    """A date of this century."""

    def to_internal_value(self, value: Any) -> date:
        """Return the date. Raises ValidationError."""
        day = super().to_internal_value(value)
        if not OLDEST <= day < NEWEST:
            self.fail("invalid", format="AAAA-MM-DD")
        return day
