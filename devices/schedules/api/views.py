"""The schedules of a home's devices."""

from typing import Any

from django.db import transaction
from rest_framework import viewsets
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.status import HTTP_201_CREATED, HTTP_204_NO_CONTENT

from accounts.security.authentication import caller
from common.ids import row_id
from devices import selectors
from devices.exceptions import ScheduleNotFound
from devices.models import Device, Schedule
from devices.schedules.api import schema
from devices.schedules.api.serializers import ScheduleChangeSerializer, ScheduleSerializer
from devices.schedules.services import schedule_delete, schedule_save


def _schedules(device: Device) -> Any:
    return device.schedules.select_related("device__home", "last_command")


class ScheduleViewSet(viewsets.ViewSet):
    """Owners and members of a home change its schedules; a viewer looks."""

    @schema.schedule_list
    def list(self, request: Request, device_id: str) -> Response:
        device = selectors.device_get(user=caller(request), device_id=device_id)
        return Response(ScheduleSerializer(_schedules(device), many=True).data)

    @schema.schedule_create
    def create(self, request: Request, device_id: str) -> Response:
        device = self._device_to_change(device_id)
        serializer = ScheduleChangeSerializer(data=request.data, context={"device": device})
        return Response(self._saved(serializer), status=HTTP_201_CREATED)

    @schema.schedule_partial_update
    @transaction.atomic
    def partial_update(self, request: Request, device_id: str, schedule_id: str) -> Response:
        schedule = self._schedule_to_change(device_id, schedule_id)
        return Response(self._saved(ScheduleChangeSerializer(schedule, data=request.data, partial=True)))

    @schema.schedule_destroy
    @transaction.atomic
    def destroy(self, request: Request, device_id: str, schedule_id: str) -> Response:
        schedule_delete(schedule=self._schedule_to_change(device_id, schedule_id))
        return Response(status=HTTP_204_NO_CONTENT)

    def _device_to_change(self, device_id: str) -> Device:
        return selectors.device_get_to_change(user=caller(self.request), device_id=device_id)

    def _schedule_to_change(self, device_id: str, schedule_id: str) -> Schedule:
        """Return the schedule, which nobody else changes until the transaction ends. Raises DeviceNotFound, ScheduleNotFound."""
        rows = _schedules(self._device_to_change(device_id)).select_for_update(of=("self",))
        schedule: Schedule | None = rows.filter(pk=row_id(schedule_id)).first()
        if schedule is None:
            raise ScheduleNotFound
        return schedule

    def _saved(self, serializer: ScheduleChangeSerializer) -> Any:
        serializer.is_valid(raise_exception=True)
        return ScheduleSerializer(schedule_save(schedule=serializer.validated_data["schedule"])).data
