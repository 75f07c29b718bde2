"""Why a device did not do what it was told, in the words that the app shows."""

from django.utils.translation import gettext_lazy as _

from common.exceptions import Conflict, NotFound, Unavailable


class NotSwitched(Unavailable):
    """Nobody knows that the device has done it."""

    # Whether it may be done when it is sent again later: the device, or the way to it, is away.
    may_be_kept = True


class DeviceSilent(NotSwitched):
    """No answer came in time; the device may have done it all the same."""

    sentence = _("Dispositivo no responde (Timeout)")


class BrokerAway(NotSwitched):
    """There is no broker, or no connection to it."""

    sentence = _("MQTT Backend desconectado")


# By the code of the device's answer. No sentence has digits that the app would take for a status code.
SENTENCES = {
    -103: _("El dispositivo no entendió la orden."),
    -104: _("El dispositivo tardó demasiado en cumplir la orden."),
    -105: _("El dispositivo no tiene ese canal."),
    -108: _("El dispositivo está ocupado. Inténtalo de nuevo en unos segundos."),
    -109: _("El dispositivo no puede cumplir la orden en su estado actual."),
    -114: _("Esa función del dispositivo no está disponible ahora."),
    401: _("El dispositivo pide contraseña para recibir órdenes. Quítasela para poder controlarlo."),
    404: _("El dispositivo no tiene un interruptor que se pueda controlar."),
    429: _("El dispositivo recibe demasiadas órdenes. Inténtalo de nuevo en unos segundos."),
}


# The device did nothing, and may do it in a moment.
BUSY = frozenset({-108, -114, 429})


class DeviceRefused(NotSwitched):
    """The device answered with an error of its own."""

    sentence = _("El dispositivo no pudo cumplir la orden.")

    def __init__(self, code: object) -> None:
        self.may_be_kept = isinstance(code, int) and code in BUSY
        super().__init__(str(SENTENCES.get(code, self.sentence) if isinstance(code, int) else self.sentence))


class DeviceInactive(Conflict):
    """Its home has switched its monitoring off."""

    sentence = _("El dispositivo está desactivado. Actívalo para controlarlo.")


class CommandNotFound(NotFound):
    """There is no such command that still waits."""

    sentence = _("Ese comando no existe o ya no espera.")
