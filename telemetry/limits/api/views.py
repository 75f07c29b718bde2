"""The limits of a device's circuits, and what they would have done."""

from typing import Any

from django.utils import timezone
from rest_framework import status, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.security.authentication import caller
from common.ids import row_id
from common.request_serializers import validated
from devices.models import Device
from devices.selectors import device_get, device_get_to_change
from telemetry.limits.api import schema
from telemetry.limits.api.serializers import (
    DryRunAnswerSerializer,
    DryRunSerializer,
    LimitChangeSerializer,
    LimitCreateSerializer,
    LimitSerializer,
)
from telemetry.limits.dry_run import dry_run
from telemetry.limits.exceptions import LimitNotFound
from telemetry.limits.services import circuit_check, limit_create, limit_update
from telemetry.models import Limit


def _limit(device: Device, limit_id: str | int) -> Limit:
    """Return a limit of the device. Raises LimitNotFound."""
    limit = device.limits.with_circuit().filter(pk=row_id(limit_id)).first()
    if limit is None:
        raise LimitNotFound
    return limit


def _dry_run(limit: Limit) -> Response:
    """Answer in the home's time."""
    with timezone.override(limit.device.home.time_zone):
        return Response(DryRunAnswerSerializer(dry_run(limit, timezone.now())).data)


class LimitViewSet(viewsets.ViewSet):
    """Owners and members of a home set its limits; a viewer looks at them, and at what they would have done."""

    @schema.limit_list
    def list(self, request: Request, device_id: str) -> Response:
        device = device_get(user=caller(request), device_id=device_id)
        return Response(LimitSerializer(device.limits.with_circuit(), many=True).data)

    @schema.limit_create
    def create(self, request: Request, device_id: str) -> Response:
        device = device_get_to_change(user=caller(request), device_id=device_id)
        limit = limit_create(device=device, **validated(LimitCreateSerializer, request))
        return Response(self._body(device, limit), status=status.HTTP_201_CREATED)

    @schema.limit_partial_update
    def partial_update(self, request: Request, device_id: str, limit_id: str) -> Response:
        device = device_get_to_change(user=caller(request), device_id=device_id)
        limit = _limit(device, limit_id)
        body = LimitChangeSerializer(limit, data=request.data)
        body.is_valid(raise_exception=True)
        limit_update(limit=limit, **body.validated_data)
        return Response(self._body(device, limit))

    @schema.limit_destroy
    def destroy(self, request: Request, device_id: str, limit_id: str) -> Response:
        _limit(device_get_to_change(user=caller(request), device_id=device_id), limit_id).delete()
        return Response(status=status.HTTP_204_NO_CONTENT)

    @schema.limit_dry_run
    def dry_run(self, request: Request, device_id: str) -> Response:
        """Answer what a limit of the body would have done."""
        device = device_get(user=caller(request), device_id=device_id)
        limit = Limit(device=device, **validated(DryRunSerializer, request))
        circuit_check(device=device, channel=limit.channel)
        return _dry_run(limit)

    @schema.limit_stored_dry_run
    def stored_dry_run(self, request: Request, device_id: str, limit_id: str) -> Response:
        return _dry_run(_limit(device_get(user=caller(request), device_id=device_id), limit_id))

    def _body(self, device: Device, limit: Limit) -> Any:
        return LimitSerializer(_limit(device, limit.pk)).data
