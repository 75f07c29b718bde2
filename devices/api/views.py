"""The devices of the caller's home."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from rest_framework import status, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.security.authentication import caller
from accounts.selectors import home_to_change
from common.client_addresses import client_address, household_of
from devices import selectors, services
from devices.api import schema
from devices.api.serializers import (
    DeviceChangeSerializer,
    DeviceRegisterSerializer,
    DeviceSerializer,
    NearbyQuerySerializer,
    NearbySerializer,
)
from devices.models import Device
from devices.shelly_models import normalised_hardware_id


def public_address(request: Request) -> str | None:
    """Return what stands for the caller's household on the Internet, None where the address is a private one."""
    meta = request.META
    address = client_address(meta.get("REMOTE_ADDR"), meta.get("HTTP_X_FORWARDED_FOR", ""), settings.PROXY_COUNT)
    return household_of(address)


class DeviceViewSet(viewsets.ViewSet):
    """Owners and members of a home may do everything; a viewer reads."""

    def _answer(self, device_id: int, code: int = status.HTTP_200_OK) -> Response:
        device = selectors.device_get(user=caller(self.request), device_id=device_id)
        return Response(self._body(device), status=code)

    def _body(self, devices: Any, *, many: bool = False) -> Any:
        seen_at = selectors.seen_times([device.pk for device in (devices if many else [devices])])
        return DeviceSerializer(devices, many=many, context={"request": self.request, "seen_at": seen_at}).data

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
        query = NearbyQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        found = selectors.unclaimed_for(mac=query.validated_data.get("mac"), address=public_address(request))
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
        device = services.device_register(home=home, proof=proofs.get(mac), **changes)
        return self._answer(device.pk, status.HTTP_201_CREATED)

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

    @schema.device_toggle
    def toggle(self, request: Request, device_id: str) -> Response:
        """Switch monitoring on or off; a body is not looked at."""
        device = services.device_toggle(device=self._device_to_change(device_id))
        return Response(self._body(device))
