"""What can go wrong with a device, in the words that the app shows."""

from django.utils.translation import gettext as _

from ecowatt.exceptions import Conflict, NotFound


class DeviceNotFound(NotFound):
    """There is no such device, or it is in a home that the caller does not belong to."""

    def __init__(self) -> None:
        super().__init__(_("Dispositivo no encontrado o no pertenece al usuario."))


class DeviceTaken(Conflict):
    """A home has claimed the hardware already."""

    def __init__(self) -> None:
        super().__init__(_("El ID de hardware ya está registrado."))
