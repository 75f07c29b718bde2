"""The devices of the caller's home."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from redis.exceptions import RedisError
from rest_framework import status, viewsets
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.constants import HOUR_S
from accounts.exceptions import TooManyAttempts
from accounts.models import Home
from accounts.security import rate_limits as limits
from accounts.security.authentication import caller
from accounts.selectors import home_to_change
from common.client_addresses import client_address, household_of
from common.paging import page_of
from common.request_serializers import validated, validated_query
from devices import selectors, services
from devices.api import schema
from devices.api.serializers import (
    SWITCH_REQUEST,
    DeviceChangeSerializer,
    DeviceRegisterSerializer,
    DeviceReplaceSerializer,
    DeviceSerializer,
    DeviceToProveSerializer,
    DeviceWithKeySerializer,
    EventPageSerializer,
    KeyRuleSerializer,
    NearbyQuerySerializer,
    NearbySerializer,
    ProofSerializer,
    SetupSerializer,
)
from devices.exceptions import ProofUnavailable
from devices.models import Device
from devices.ownership.keys import key_make
from devices.ownership.proofs import switchings_seen
from devices.shelly_models import displayed_hardware_id, normalised_hardware_id
from devices.shelly_setup import Site, ways_for

CHALLENGES_PER_HOME = limits.Limit("proof", 20, HOUR_S)


def public_address(request: Request) -> str | None:
    """Return what stands for the caller's household on the Internet, None where the address is a private one."""
    meta = request.META
    address = client_address(meta.get("REMOTE_ADDR"), meta.get("HTTP_X_FORWARDED_FOR", ""), settings.PROXY_COUNT)
    return household_of(address)


class DeviceViewSet(viewsets.ViewSet):
    """Owners and members of a home may do everything; a viewer reads."""

    def _answer(self, device_id: int, code: int = status.HTTP_200_OK, *, key: str | None = None) -> Response:
        device = selectors.device_get(user=caller(self.request), device_id=device_id)
        return Response(self._body(device, key=key), status=code)

    def _body(self, devices: Any, *, many: bool = False, key: str | None = None) -> Any:
        seen_at = selectors.seen_times([device.pk for device in (devices if many else [devices])])
        serializer = DeviceWithKeySerializer if key else DeviceSerializer
        return serializer(devices, many=many, context={"request": self.request, "seen_at": seen_at, "key": key}).data

    def _device_to_change(self, device_id: str) -> Device:
        return selectors.device_get_to_change(user=caller(self.request), device_id=device_id)

    def _prove(self, devices: Sequence[Device]) -> None:
        """Note which of the devices the caller shows to have, merely by asking from where they are (no query where all are proven)."""
        unproven = [device for device in devices if device.proven_at is None]
        if unproven:
            macs = [device.hardware_id for device in unproven]
            proofs = selectors.proofs_for(home_id=unproven[0].home_id, macs=macs, address=public_address(self.request))
            if proofs:
                services.devices_prove(devices=[device for device in unproven if device.hardware_id in proofs])

    @schema.device_list
    def list(self, request: Request) -> Response:
        """Answer the devices of the home as a plain array, by id."""
        devices = list(selectors.devices_of(caller(request)))
        self._prove(devices)
        return Response(self._body(devices, many=True))

    @schema.device_nearby
    def nearby(self, request: Request) -> Response:
        """Answer the unknown devices that may be the caller's."""
        asked = validated_query(NearbyQuerySerializer, request)
        found = selectors.unclaimed_for(mac=asked.get("mac"), address=public_address(request))
        return Response(NearbySerializer(found, many=True).data)

    @schema.device_create
    def create(self, request: Request) -> Response:
        """Claim a device for the home."""
        home = home_to_change(caller(request))
        serializer = DeviceRegisterSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        changes = serializer.changes()
        mac = normalised_hardware_id(changes["hardware_id"])
        proofs = selectors.proofs_for(home_id=home.pk, macs=[mac], address=public_address(request))
        key = key_make()
        device = services.device_register(home=home, proof=proofs.get(mac), key=key, **changes)
        return self._answer(device.pk, status.HTTP_201_CREATED, key=key)

    @schema.device_retrieve
    def retrieve(self, request: Request, device_id: str) -> Response:
        """Answer one device."""
        return Response(self._body(selectors.device_get(user=caller(request), device_id=device_id)))

    @schema.device_partial_update
    def partial_update(self, request: Request, device_id: str) -> Response:
        """Rename the device or its channels, or set its topic prefix."""
        device = self._device_to_change(device_id)
        serializer = DeviceChangeSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        services.device_update(device=device, **serializer.changes())
        return self._answer(device.pk)

    @schema.device_destroy
    def destroy(self, request: Request, device_id: str) -> Response:
        """Release the device."""
        services.device_retire(device=self._device_to_change(device_id))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @schema.device_replace
    def replace(self, request: Request, device_id: str) -> Response:
        """Put other hardware in the device's place."""
        device = self._device_to_change(device_id)
        hardware_id = validated(DeviceReplaceSerializer, request)["hardware_id"]
        mac = normalised_hardware_id(hardware_id)
        proofs = selectors.proofs_for(home_id=device.home_id, macs=[mac], address=public_address(request))
        key = key_make()
        services.device_replace(device=device, hardware_id=hardware_id, proof=proofs.get(mac), key=key)
        return self._answer(device.pk, key=key)

    @schema.device_toggle
    def toggle(self, request: Request, device_id: str) -> Response:
        """Switch monitoring on or off; a body is not looked at."""
        device = services.device_toggle(device=self._device_to_change(device_id))
        return Response(self._body(device))

    @schema.device_events
    def events(self, request: Request, device_id: str) -> Response:
        """Answer what happened to the device."""
        device = selectors.device_get(user=caller(request), device_id=device_id)
        return Response(EventPageSerializer(page_of(device.events.all(), request)).data)

    @schema.device_setup
    def setup_read(self, request: Request, device_id: str) -> Response:
        """Answer how the device is set up, with placeholders for what is not shown again."""
        return self._setup(selectors.device_get(user=caller(request), device_id=device_id))

    @schema.device_setup_with_key
    def setup_with_key(self, request: Request, device_id: str) -> Response:
        """Give the device a new key and answer how it is set up with it."""
        device = self._device_to_change(device_id)
        return self._setup(device, services.device_key_rotate(device=device))

    def _setup(self, device: Device, key: str | None = None) -> Response:
        site = Site(self.request.get_host(), self.request.is_secure())
        ways = [way._asdict() | {"calls": [call._asdict() for call in way.calls]} for way in ways_for(device, site, key=key)]
        return Response(SetupSerializer({"dev_id": device.pk, "dev_key": key, "ways": ways}).data)

    @schema.device_key_rotate
    def rotate_key(self, request: Request, device_id: str) -> Response:
        """Give the device a new key; a body is not looked at."""
        device = self._device_to_change(device_id)
        return self._answer(device.pk, key=services.device_key_rotate(device=device))

    @schema.device_key_require
    def require_key(self, request: Request, device_id: str) -> Response:
        """Refuse messages without the key, or take them again."""
        device = self._device_to_change(device_id)
        serializer = KeyRuleSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        services.device_key_require(device=device, is_required=serializer.validated_data["required"])
        return self._answer(device.pk)


class ProofView(APIView):
    """A device that spoke from elsewhere, or not yet, is claimed without a proof; whoever switches it as asked has one."""

    @schema.proof_start
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

    @schema.proof
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
            evidence = selectors.evidence_of(home_id=home.pk, mac=mac)
        except RedisError as error:
            raise ProofUnavailable from error
        asked = evidence.challenge
        body = {
            "dev_hardware_id": displayed_hardware_id(mac),
            "is_proven": evidence.proof(public_address(request)) is not None,
            "switchings": asked.switchings if asked else None,
            "switchings_seen": switchings_seen(evidence.device, asked) if asked else 0,
            "until": datetime.fromtimestamp(asked.until, UTC) if asked else None,
            "message": SWITCH_REQUEST % {"count": asked.switchings} if asked and asked.until > time.time() else None,
        }
        return Response(ProofSerializer(body).data, status=code)
