"""Switching relays, and what they are."""

from typing import Any

from django.utils.translation import gettext as _
from rest_framework import viewsets
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.status import HTTP_200_OK, HTTP_202_ACCEPTED, HTTP_204_NO_CONTENT, HTTP_503_SERVICE_UNAVAILABLE

from accounts.security.authentication import caller
from common.ids import row_id
from common.late_response import LateResponse
from common.paging import page_of
from common.request_serializers import validated_query
from devices import selectors
from devices.control.api import schema
from devices.control.api.serializers import (
    ChannelOptionSerializer,
    CommandAnswerSerializer,
    CommandPageSerializer,
    CommandSerializer,
    OrderSerializer,
    SetSerializer,
)
from devices.control.api.status_endpoint import SCOPE_KEY, Grant
from devices.control.commands import Order, command_cancel, command_give, commands_waiting
from devices.control.exceptions import DeviceInactive, DeviceSilent
from devices.control.listeners import listener_of
from devices.control.status import relay_statuses
from devices.models import Command


def _done(command: Command, name: str) -> tuple[int, dict[str, Any]]:
    """Return the answer to a command as it ended, in the language that is active."""
    if command.state == Command.State.DONE:
        return HTTP_200_OK, _answer_body(command, name, _("Comando ejecutado correctamente"), success=True)
    if command.state == Command.State.WAITING:
        message = _("El dispositivo no está en línea. El comando se enviará cuando vuelva.")
        return HTTP_202_ACCEPTED, _answer_body(command, name, message, success=False)
    return HTTP_503_SERVICE_UNAVAILABLE, {"detail": command.error or str(DeviceSilent.sentence)}


def _answer_body(command: Command, name: str, message: str, *, success: bool) -> dict[str, Any]:
    action = None if command.new_state is None else "encendido" if command.new_state else "apagado"
    return CommandAnswerSerializer(
        {
            "success": success,
            "message": message,
            "device_name": name,
            "method": command.method,
            "was_on": command.was_on,
            "new_state": command.new_state,
            "action": action,
            "error": command.error or None,
            "command_id": command.pk,
            "kept_until": command.expires_at if command.state == Command.State.WAITING else None,
        }
    ).data


class ControlViewSet(viewsets.ViewSet):
    """Owners and members of a home switch its devices; a viewer looks."""

    def _ordered(self, request: Request, device_id: str, *, on: bool | None, serializer: type[OrderSerializer]) -> LateResponse:
        device = selectors.device_get_to_change(user=caller(request), device_id=device_id)
        body = serializer(data={**request.query_params.dict(), **dict(request.data)})
        body.is_valid(raise_exception=True)
        order = Order(body.validated_data["channel"], body.validated_data.get("state", on))
        listener, user, keep_for_s = listener_of(device), caller(request), body.validated_data["keep_for"]

        async def finish() -> tuple[int, Any]:
            ended = await command_give(device=device, listener=listener, order=order, user=user, keep_for_s=keep_for_s)
            relay_statuses().commanded(listener, order.channel, ended.new_state)
            return _done(ended, device.name)

        return LateResponse(finish)

    @schema.control_toggle
    def toggle(self, request: Request, device_id: str) -> LateResponse:
        return self._ordered(request, device_id, on=None, serializer=OrderSerializer)

    @schema.control_on
    def turn_on(self, request: Request, device_id: str) -> LateResponse:
        return self._ordered(request, device_id, on=True, serializer=OrderSerializer)

    @schema.control_off
    def turn_off(self, request: Request, device_id: str) -> LateResponse:
        return self._ordered(request, device_id, on=False, serializer=OrderSerializer)

    @schema.control_set
    def set(self, request: Request, device_id: str) -> LateResponse:
        return self._ordered(request, device_id, on=None, serializer=SetSerializer)

    @schema.control_status
    def status(self, request: Request, device_id: str) -> LateResponse:
        device = selectors.device_get(user=caller(request), device_id=device_id)
        channel = validated_query(ChannelOptionSerializer, request)["channel"]
        if not device.is_active:
            raise DeviceInactive
        listener = listener_of(device)
        getattr(request, "scope", {})[SCOPE_KEY] = Grant(caller(request).pk, listener, channel, device.name)  # WSGI has none

        async def finish() -> tuple[int, Any]:
            found = await relay_statuses().get(listener, channel)
            return HTTP_200_OK, {"success": True, "device_name": device.name, "status": found, "error": None}

        return LateResponse(finish)

    @schema.control_history
    def history(self, request: Request, device_id: str) -> Response:
        device = selectors.device_get(user=caller(request), device_id=device_id)
        page = page_of(device.commands.select_related("user"), request)
        return Response(CommandPageSerializer(page).data)

    @schema.control_waiting
    def waiting(self, request: Request, device_id: str) -> Response:
        device = selectors.device_get(user=caller(request), device_id=device_id)
        return Response(CommandSerializer(commands_waiting(device).select_related("user"), many=True).data)

    @schema.control_cancel
    def cancel(self, request: Request, device_id: str, command_id: str) -> Response:
        device = selectors.device_get_to_change(user=caller(request), device_id=device_id)
        command_cancel(device=device, command_id=row_id(command_id))
        return Response(status=HTTP_204_NO_CONTENT)
