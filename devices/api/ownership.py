"""Showing that a device is the caller's: by switching it as often as asked."""

import time
from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from redis.exceptions import RedisError
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.constants import HOUR_S
from accounts.exceptions import TooManyAttempts
from accounts.models import Home
from accounts.security import rate_limits as limits
from accounts.security.authentication import caller
from accounts.selectors import home_to_change
from common.request_serializers import BodySerializer
from common.schema import NEEDS_LOGIN, answer, asking, invalid, refusals
from devices import selectors, services
from devices.api.serializers import MacField
from devices.api.views import public_address
from devices.exceptions import ProofUnavailable
from devices.ownership.proofs import switchings_seen
from devices.shelly_models import displayed_hardware_id

CHALLENGES_PER_HOME = limits.Limit("proof", 20, HOUR_S)
EXAMPLE = {
    "dev_hardware_id": "34987AE4D353",
    "is_proven": False,
    "switchings": 4,
    "switchings_seen": 1,
    "until": "2026-11-24T07:14:05Z",
    "message": "Cambia el dispositivo de estado 4 veces, de encendido a apagado o al revés, y espera 15 segundos entre una y otra.",
}


class DeviceToProveSerializer(BodySerializer):
    """Which device."""

    dev_hardware_id = MacField(help_text="The MAC in any spelling, or the Shelly's full id.")


class ProofSerializer(serializers.Serializer[Any]):
    """What is asked of the caller, and what has been seen of it."""

    dev_hardware_id = serializers.CharField()
    is_proven = serializers.BooleanField(help_text="Registered now, the device would be the home's beyond doubt, or is already.")
    switchings = serializers.IntegerField(allow_null=True, help_text="How often to switch it; null where it was not asked for.")
    switchings_seen = serializers.IntegerField()
    until = serializers.DateTimeField(allow_null=True)
    message = serializers.CharField(allow_null=True, help_text="The request as a sentence for the user.")


DETAILS: dict[str, Any] = {
    "tags": ["devices"],
    "responses": {
        **NEEDS_LOGIN,
        **refusals({403: "Como invitado puedes ver lo que hay en el hogar, pero no cambiarlo."}),
        **refusals({503: "No podemos comprobar dispositivos en este momento. Inténtalo de nuevo en unos minutos."}),
    },
}


class ProofView(APIView):
    """A device that spoke from elsewhere, or not yet, is claimed without a proof; whoever switches it as asked has one."""

    @extend_schema(
        operation_id="devices_proof_start",
        summary="Ask how to show that a device is the home's",
        request=DeviceToProveSerializer,
        examples=asking({"dev_hardware_id": "34987AE4D353"}),
        tags=DETAILS["tags"],
        responses={
            201: answer(ProofSerializer, EXAMPLE | {"switchings_seen": 0}, "Switch the device now, and no more often"),
            **DETAILS["responses"],
            **invalid("dev_hardware_id", "La MAC tiene doce dígitos hexadecimales.", value="xyz"),
            **refusals({429: "Demasiados intentos. Inténtalo de nuevo más tarde."}),
        },
    )
    def post(self, request: Request) -> Response:
        """Ask the caller to switch the device."""
        home, mac = self._asked(request, request.data)
        if wait := limits.hit(CHALLENGES_PER_HOME, str(home.pk)):
            raise TooManyAttempts(retry_after_s=wait)
        try:
            services.proof_ask(home=home, mac=mac)
        except RedisError as error:
            raise ProofUnavailable from error
        return self._answer(request, home, mac, status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="devices_proof",
        summary="See what has been shown of a device",
        parameters=[DeviceToProveSerializer],
        tags=DETAILS["tags"],
        responses={
            200: answer(ProofSerializer, EXAMPLE),
            **DETAILS["responses"],
            **invalid("dev_hardware_id", "La MAC tiene doce dígitos hexadecimales.", value="xyz", place="query"),
        },
    )
    def get(self, request: Request) -> Response:
        """Answer how far the caller has come."""
        home, mac = self._asked(request, request.query_params)
        return self._answer(request, home, mac)

    def _asked(self, request: Request, data: Any) -> tuple[Home, str]:
        home = home_to_change(caller(request))
        serializer = DeviceToProveSerializer(data=data)
        serializer.is_valid(raise_exception=True)
        return home, serializer.validated_data["dev_hardware_id"]

    def _answer(self, request: Request, home: Home, mac: str, code: int = status.HTTP_200_OK) -> Response:
        try:
            evidence = selectors.evidence_of(home_id=home.pk, macs=[mac])[mac]
        except RedisError as error:
            raise ProofUnavailable from error
        asked = evidence.challenge
        body = {
            "dev_hardware_id": displayed_hardware_id(mac),
            "is_proven": evidence.proof(public_address(request)) is not None,
            "switchings": asked.switchings if asked else None,
            "switchings_seen": switchings_seen(evidence.device, asked) if asked else 0,
            "until": datetime.fromtimestamp(asked.until, UTC) if asked else None,
            "message": _request(asked.switchings) if asked and asked.until > time.time() else None,
        }
        return Response(ProofSerializer(body).data, status=code)


def _request(switchings: int) -> str:
    text = _(
        "Cambia el dispositivo de estado %(count)s veces, de encendido a apagado o al revés, y espera 15 segundos entre una y otra."
    )
    return text % {"count": switchings}
