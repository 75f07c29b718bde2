"""What can go wrong with a device, in the words that the app shows."""

from django.utils.translation import gettext_lazy as _

from common.exceptions import Conflict, Forbidden, NotFound, Unavailable, Unprocessable


class DeviceNotFound(NotFound):
    """There is no such device, or it is in a home that the caller does not belong to."""

    sentence = _("Dispositivo no encontrado o no pertenece al usuario.")


class DeviceTaken(Conflict):
    """The home has claimed the hardware already."""

    sentence = _("El ID de hardware ya está registrado.")


class DeviceOfAnotherHome(Forbidden):
    """Another home has claimed the hardware: the app takes a conflict for a device of the caller's own."""

    sentence = _("Otra cuenta tiene este dispositivo. Pide a su dueño que lo elimine.")


class KeyNotUsed(Conflict):
    """The device has not presented its key yet: required, it would be heard no more."""

    sentence = _("El dispositivo todavía no ha usado su clave. Escríbela en el Shelly y espera a que llegue una lectura.")


class ProofUnavailable(Unavailable):
    """What devices said lately can't be read."""

    sentence = _("No podemos comprobar dispositivos en este momento. Inténtalo de nuevo en unos minutos.")


class TooManyDevices(Unprocessable):
    """The home has as many devices as a home may have: the app takes a conflict for a device of the caller's own."""

    field = "dev_hardware_id"
    sentence = _("Tu hogar ya tiene todos los dispositivos que caben (%(most)d). Elimina uno para agregar otro.")

    def __init__(self, most: int) -> None:
        super().__init__(str(self.sentence) % {"most": most})


class ScheduleNotFound(NotFound):
    """The device has no such schedule."""

    sentence = _("Ese horario no existe.")
