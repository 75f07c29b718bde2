"""The supply contract of the caller's home."""

from datetime import date
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import services
from accounts.api.fields import RATES, BillingDayField, RateField, StateField, TextField, sentences
from accounts.api.serializers import Values, validated
from accounts.cfe_tariffs import DAC, DAC_REGIONS
from accounts.contract_proposals import proposed
from accounts.models import Contract
from accounts.places.localities import proposals
from accounts.places.time_zones import zone_of
from accounts.security.authentication import caller
from accounts.selectors import home_to_change
from common.request_serializers import BodySerializer
from common.schema import NEEDS_LOGIN, answer, asking, invalid, refusals

OLDEST, NEWEST = date(2000, 1, 1), date(2100, 1, 1)


def _messages(text: Any) -> dict[str, Any]:
    return {"error_messages": sentences(missing=text, wrong=text)}


class DayField(serializers.DateField):
    """A date of this century."""

    def to_internal_value(self, value: Any) -> date:
        """Return the date. Raises ValidationError."""
        day = super().to_internal_value(value)
        if not OLDEST <= day < NEWEST:
            self.fail("invalid", format="AAAA-MM-DD")
        return day


def _day(**options: Any) -> DayField:
    return DayField(required=False, **_messages(_("La fecha se escribe AAAA-MM-DD.")), **options)


def _share() -> serializers.DecimalField:
    text = _("La parte es una fracción de 0 a 1, como 0.05 para un cinco por ciento.")
    return serializers.DecimalField(5, 4, min_value=0, max_value=1, required=False, coerce_to_string=False, **_messages(text))


def _sum() -> serializers.DecimalField:
    text = _("La suma es un número de pesos, de 0 a 100,000, con dos decimales como máximo.")
    return serializers.DecimalField(
        8, 2, min_value=0, max_value=100_000, required=False, coerce_to_string=False, **_messages(text)
    )


def _choice(choices: Any, text: Any, **options: Any) -> serializers.ChoiceField:
    return serializers.ChoiceField(choices=choices, required=False, **_messages(text), **options)


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


class TermsSerializer(BodySerializer):
    """What bills are made by. IVA and shares are fractions, sums pesos a bill."""

    tariff = RateField(required=False)
    billing_months = _choice([1, 2], _("El recibo cubre uno o dos meses."))
    summer_start_month = _choice([2, 3, 4, 5], _("El verano empieza de febrero (2) a mayo (5)."))
    dac_region = _choice(list(DAC_REGIONS), _("La región DAC no existe."))
    generation = _choice(
        Contract.Generation.values,
        _("La generación es none, net_metering o net_billing."),
        help_text="What the agreement with CFE says about energy returned to the grid.",
    )
    iva_rate = serializers.DecimalField(
        4,
        3,
        min_value=0,
        max_value=1,
        required=False,
        coerce_to_string=False,
        **_messages(_("El IVA es una fracción de 0 a 1, como 0.16.")),
    )
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
        max_length=80, required=False, allow_blank=True, **_messages(_("El municipio admite hasta 80 caracteres."))
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


ASKED: Values = {
    "tariff": "1b",
    "base_tariff": None,
    "billing_months": 2,
    "billing_day": 20,
    "last_reading": "2026-06-20",
    "supply_start": None,
    "summer_start_month": 4,
    "dac_region": "sur_y_peninsular",
    "generation": "none",
    "iva_rate": 0.16,
    "dap_share": 0.025,
    "dap_mxn": 0.0,
    "discount_share": 0.0,
    "discount_mxn": 0.0,
    "state": "ROO",
    "municipality": "Playa del Carmen",
}
ZONES = {"time_zone": "America/Cancun", "time_zone_of_place": "America/Cancun"}
EXAMPLE = {"in_force_since": "2026-06-20", **ASKED, "proposals": {}, **ZONES}
NO_HOME = refusals({404: ("Tu cuenta no pertenece a ningún hogar.", "Tu hogar no tiene un contrato de suministro.")})
ON = OpenApiParameter("on", OpenApiTypes.DATE, description="The local date whose version is asked for; today if it is missing.")


class OnSerializer(serializers.Serializer[Values]):
    """The date of a version."""

    on = _day()


class ContractView(APIView):
    """What the home's bills are made by."""

    @extend_schema(
        operation_id="contract",
        tags=["contract"],
        summary="Read the supply contract",
        parameters=[ON],
        responses={
            200: answer(ContractSerializer, EXAMPLE),
            **NEEDS_LOGIN,
            **NO_HOME,
            **invalid("on", "La fecha se escribe AAAA-MM-DD.", value="ayer", place="query"),
        },
    )
    def get(self, request: Request) -> Response:
        """Return the version that is in force, with what the place of the home suggests."""
        query = OnSerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        home = caller(request).home
        return Response(ContractSerializer(home.contract_on(query.validated_data.get("on", home.today))).data)

    @extend_schema(
        operation_id="contract_change",
        tags=["contract"],
        summary="Change the supply contract",
        description=(
            "From `valid_from` (today) on, the contract reads as given; what is missing stays as it was on that date. Bills of "
            "cycles that ended before stay as they are; versions that begin later are replaced."
        ),
        request=ContractChangeSerializer,
        responses={
            200: answer(ContractSerializer, EXAMPLE),
            **NEEDS_LOGIN,
            **refusals({403: "Como invitado puedes ver lo que hay en el hogar, pero no cambiarlo."}),
            **NO_HOME,
            **invalid("billing_months", "El recibo cubre uno o dos meses.", value=3, kind="invalid_choice"),
        },
        examples=asking({"valid_from": "2026-06-20", **ASKED}),
    )
    def put(self, request: Request) -> Response:
        """Write a version, and return it."""
        home = home_to_change(caller(request))
        changes = validated(ContractChangeSerializer, request, today=home.today)
        return Response(ContractSerializer(services.contract_change(home=home, **changes)).data)
