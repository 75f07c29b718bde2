"""The wire's names for accounts and contracts."""

from datetime import date
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from accounts.api.fields import (
    BaseTariffField,
    BillingDayField,
    EmailField,
    NameField,
    NewEmailField,
    PasswordField,
    RateField,
    StateField,
    TokenField,
)
from accounts.cfe_tariffs import DAC_REGIONS
from accounts.contract_proposals import proposed
from accounts.models import Contract, PushToken
from accounts.models.contracts import DEFAULT_TARIFF
from accounts.places.localities import proposals
from accounts.places.time_zones import zone_of
from common.fields import DayField, Sentence, TextField, sentences
from common.request_serializers import BodySerializer

Values = dict[str, Any]
WRONG_PHONE_TOKEN = _("El token del teléfono debe tener de 100 a 4096 caracteres.")
WRONG_DAY = _("La fecha se escribe AAAA-MM-DD.")
WRONG_MONTHS = _("El recibo cubre uno o dos meses.")


class LoginSerializer(BodySerializer):
    """Who logs in."""

    user_email = EmailField(source="email")
    user_password = PasswordField(source="password")


class TokenPairSerializer(serializers.Serializer[Values]):
    """A session's tokens."""

    access_token = serializers.CharField()
    refresh_token = serializers.CharField(max_length=512)
    token_type = serializers.CharField()


class RefreshTokenSerializer(BodySerializer):
    """The session's other half."""

    refresh_token = TokenField(source="token")


class ForgotPasswordSerializer(BodySerializer):
    """Whose password is forgotten."""

    user_email = EmailField(source="email")


class ResetPasswordSerializer(BodySerializer):
    """The mailed token and what replaces the password."""

    token = TokenField()
    new_password = PasswordField()


class MessageSerializer(serializers.Serializer[Values]):
    """A sentence for the user."""

    message = serializers.CharField()


class RegistrationSerializer(BodySerializer):
    """A new user and the contract of their home."""

    user_name = NameField(source="name")
    user_email = NewEmailField(source="email")
    user_password = PasswordField(source="password")
    user_trf_rate = RateField(source="tariff", default=DEFAULT_TARIFF)
    user_billing_day = BillingDayField(source="billing_day", default=1)


class ProfileChangeSerializer(BodySerializer):
    """What to change; what is not there, or null, stays."""

    user_name = NameField(source="name", required=False, allow_null=True)
    user_email = NewEmailField(source="email", required=False, allow_null=True)
    user_trf_rate = RateField(source="tariff", required=False, allow_null=True)
    user_billing_day = BillingDayField(source="billing_day", required=False, allow_null=True)


class ProfileSerializer(serializers.Serializer[Values]):
    """A user with the contract of their home."""

    user_id = serializers.IntegerField(source="user.id")
    user_name = serializers.CharField(source="user.name")
    user_email = serializers.EmailField(source="user.email")
    user_trf_rate = RateField(source="contract.tariff")
    user_billing_day = serializers.IntegerField(source="contract.billing_day")


class PushTokenSerializer(BodySerializer):
    """A phone that wants push messages."""

    fcm_token = TextField(
        source="token",
        min_length=100,
        max_length=4096,
        error_messages=sentences(
            missing=_("El token del teléfono es obligatorio."),
            wrong=WRONG_PHONE_TOKEN,
        ),
    )
    device_name = TextField(
        max_length=255,
        required=False,
        allow_null=True,
        allow_blank=True,
        error_messages=sentences(
            missing=_("El nombre del teléfono debe ser un texto."), wrong=_("El nombre del teléfono admite hasta 255 caracteres.")
        ),
    )
    platform = serializers.ChoiceField(
        choices=PushToken.Platform.choices,
        required=False,
        allow_null=True,
        error_messages=sentences(wrong=_("La plataforma debe ser android o ios.")),
    )


def _day(**options: Any) -> DayField:
    return DayField(required=False, error_messages=sentences(wrong=WRONG_DAY), **options)


def _share() -> serializers.DecimalField:
    return _decimal(5, 4, 1, _("La parte es una fracción de 0 a 1, como 0.05 para un cinco por ciento."))


def _sum() -> serializers.DecimalField:
    return _decimal(8, 2, 100_000, _("La suma es un número de pesos, de 0 a 100,000, con dos decimales como máximo."))


def _decimal(digits: int, places: int, most: int, wrong: Sentence) -> serializers.DecimalField:
    return serializers.DecimalField(
        digits, places, min_value=0, max_value=most, required=False, coerce_to_string=False, error_messages=sentences(wrong=wrong)
    )


def _choice(choices: Any, wrong: Sentence, **options: Any) -> serializers.ChoiceField:
    return serializers.ChoiceField(choices=choices, required=False, error_messages=sentences(wrong=wrong), **options)


class TermsSerializer(BodySerializer):
    """What bills are made by. IVA and shares are fractions, sums pesos a bill."""

    tariff = RateField(required=False)
    billing_months = _choice([1, 2], WRONG_MONTHS)
    summer_start_month = _choice([2, 3, 4, 5], _("El verano empieza de febrero (2) a mayo (5)."))
    dac_region = _choice(list(DAC_REGIONS), _("La región DAC no existe."))
    generation = _choice(
        Contract.Generation.values,
        _("La generación es none, net_metering o net_billing."),
        help_text="What the agreement with CFE says about energy returned to the grid.",
    )
    iva_rate = _decimal(4, 3, 1, _("El IVA es una fracción de 0 a 1, como 0.16."))
    dap_share = _share()
    dap_mxn = _sum()
    discount_share = _share()
    discount_mxn = _sum()


class VersionSerializer(TermsSerializer):
    """What a version of the contract says; `last_reading` is a date on which the meter was read.

    `supply_start` is the date on which CFE connected the home, null where nobody knows: in the first year there is no DAC.
    """

    base_tariff = BaseTariffField(required=False, allow_null=True)
    billing_day = BillingDayField(required=False)
    last_reading = _day(allow_null=True)
    supply_start = _day(allow_null=True)
    state = StateField(required=False, allow_blank=True)
    municipality = TextField(
        max_length=80,
        required=False,
        allow_blank=True,
        error_messages=sentences(wrong=_("El municipio admite hasta 80 caracteres.")),
    )

    def validate_base_tariff(self, value: str | None) -> str:
        """Return what a row holds for no tariff."""
        return value or ""


class ContractChangeSerializer(VersionSerializer):
    """A version to be, which counts from `valid_from` on. Its context says `today`."""

    answered = frozenset({"in_force_since", "proposals", "time_zone", "time_zone_of_place"})

    valid_from = _day()

    def validate_last_reading(self, value: date | None) -> date | None:
        """Refuse a reading that is still to come: no bill would ever be newer. Raises ValidationError."""
        if value and value > self.context["today"]:
            raise serializers.ValidationError(_("La última lectura está en el futuro."), "invalid")
        return value

    def validate_supply_start(self, value: date | None) -> date | None:
        """Refuse a supply that is still to begin. Raises ValidationError."""
        if value and value > self.context["today"]:
            raise serializers.ValidationError(_("El inicio del suministro está en el futuro."), "invalid")
        return value


class ContractSerializer(VersionSerializer):
    """A version of the contract.

    When it began has another name than when a change is to begin: a client that sends back what it got must not rewrite the past.
    """

    in_force_since = serializers.DateField(source="valid_from")
    proposals = serializers.DictField(
        help_text="What the place and the meters suggest for these fields; nobody has confirmed it."
    )

    time_zone = serializers.CharField(
        source="home.time_zone", help_text="The home's. It follows the place of the contract until a person chooses another."
    )
    time_zone_of_place = serializers.SerializerMethodField(help_text="That of state and municipality; null without a state.")

    def get_time_zone_of_place(self, contract: Contract) -> str | None:
        """Return the IANA zone."""
        return zone_of(contract.state, contract.municipality)

    def to_representation(self, instance: Contract) -> dict[str, Any]:
        """Add what the place proposes where the contract says something else."""
        instance.proposals = _proposals(instance)  # type: ignore[attr-defined]
        return dict(super().to_representation(instance))


def _proposals(contract: Contract) -> dict[str, Any]:
    known = proposals(contract.state, contract.municipality) | proposed(contract)
    other = {name: value for name, value in known.items() if getattr(contract, name) != value}
    return {name: float(value) if isinstance(value, Decimal) else value for name, value in other.items()}


class OnSerializer(serializers.Serializer[Values]):
    """The date of a version."""

    on = _day()
