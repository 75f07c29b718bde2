"""Fields of accounts and contracts, each with the sentences that the user reads when it is wrong."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.cfe_tariffs import DAC, LOCALITY_TARIFFS, TARIFFS
from accounts.constants import NAME_LENGTH_MAX, NAME_LENGTH_MIN, PASSWORD_LENGTH_MAX, PASSWORD_LENGTH_MIN
from accounts.email_addresses import normalized
from accounts.models import Contract
from accounts.places.states import state_code
from common.fields import TextField, sentences

WRONG_EMAIL = _("El correo electrónico no es válido.")
WRONG_PASSWORD = _("La contraseña debe tener de 8 a 128 caracteres.")
WRONG_NAME = _("El nombre debe tener de 5 a 100 caracteres.")
NO_TOKEN = _("El token es obligatorio.")


class EmailField(serializers.EmailField, TextField):
    """An e-mail address without the blanks around it."""

    def __init__(self, **options: Any) -> None:
        messages = sentences(missing=_("El correo electrónico es obligatorio."), wrong=WRONG_EMAIL)
        super().__init__(max_length=254, error_messages=messages, **options)


class NewEmailField(EmailField):
    """An e-mail address to be had from now on; the caller's present one (`email` in the context) stays what it is."""

    def to_internal_value(self, data: Any) -> str:
        """Return the address as it is stored. Raises ValidationError for one whose letters have more than one lower case."""
        email = super().to_internal_value(data)
        if email == self.context.get("email"):
            return email
        email = normalized(email)
        if not email.isascii():
            self.fail("invalid")
        return email


class PasswordField(TextField):
    """A password, blanks and all; never answered."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            min_length=PASSWORD_LENGTH_MIN,
            max_length=PASSWORD_LENGTH_MAX,
            trim_whitespace=False,
            write_only=True,
            error_messages=sentences(missing=_("La contraseña es obligatoria."), wrong=WRONG_PASSWORD),
            **options,
        )


class NameField(TextField):
    """A person's name."""

    def __init__(self, **options: Any) -> None:
        messages = sentences(missing=_("El nombre es obligatorio."), wrong=WRONG_NAME)
        super().__init__(min_length=NAME_LENGTH_MIN, max_length=NAME_LENGTH_MAX, error_messages=messages, **options)


class BillingDayField(serializers.IntegerField):
    """The day of the month on which the billing cycle starts."""

    def __init__(self, **options: Any) -> None:
        messages = sentences(wrong=_("El día de corte debe ser un número entero de 1 a 31."))
        super().__init__(min_value=1, max_value=31, error_messages=messages, **options)


class TokenField(TextField):
    """A token that we gave out; what it is worth is found out later."""

    def __init__(self, **options: Any) -> None:
        messages = sentences(missing=NO_TOKEN, wrong=_("El token debe ser un texto."))
        super().__init__(write_only=True, error_messages=messages, **options)


RATES = [*(tariff.lower() for tariff in LOCALITY_TARIFFS), DAC]


@extend_schema_field({"type": "string", "enum": RATES})
class RateField(serializers.Field[str, Any, str, Any]):
    """CFE's household rates: read without regard to case, answered in lower case but for DAC."""

    default_error_messages = sentences(
        missing=_("La tarifa es obligatoria."), wrong=_("La tarifa debe ser 1, 1A, 1B, 1C, 1D, 1E, 1F o DAC.")
    )

    def to_internal_value(self, data: Any) -> str:
        """Return one of TARIFFS. Raises ValidationError."""
        tariff = data.strip().upper() if isinstance(data, str) else None
        if tariff not in TARIFFS:
            self.fail("invalid")
        return str(tariff)

    def to_representation(self, value: str) -> str:
        """Return the rate as the app knows it."""
        return value if value == DAC else value.lower()


@extend_schema_field({"type": ["string", "null"], "enum": [*RATES[:-1], None]})
class BaseTariffField(RateField):
    """The tariff of the locality, which is never DAC; null where the home is not in DAC or nobody knows."""

    def to_internal_value(self, data: Any) -> str:
        """Return the tariff. Raises ValidationError."""
        tariff = super().to_internal_value(data)
        if tariff == DAC:
            self.fail("invalid")
        return tariff

    def to_representation(self, value: str) -> Any:
        """Return the rate as the app knows it, or None."""
        return super().to_representation(value) or None


class StateField(serializers.ChoiceField):
    """A state by its code; its name or a usual abbreviation is taken, too."""

    def __init__(self, **options: Any) -> None:
        messages = sentences(wrong=_("El estado se escribe con su nombre o su clave de tres letras, como SON."))
        super().__init__(choices=Contract.State.values, error_messages=messages, **options)

    def to_internal_value(self, data: Any) -> Any:
        """Return the code. Raises ValidationError."""
        return super().to_internal_value((state_code(data) if isinstance(data, str) else None) or data)
