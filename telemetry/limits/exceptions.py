"""Why a limit can't be had, in the words that the user reads."""

from django.utils.translation import gettext_lazy as _

from common.exceptions import Conflict, NotFound, Unprocessable


class CircuitEssential(Unprocessable):
    """The circuit is never switched off by the program."""

    field = "channel"
    sentence = _("El circuito está marcado como esencial: ningún límite lo apaga.")


class NoRelay(Unprocessable):
    """The device's model only measures."""

    field = "channel"
    sentence = _("Este dispositivo solo mide: no puede apagar el circuito.")


class NoSuchChannel(Unprocessable):
    """The device has other channels."""

    field = "channel"
    sentence = _("El dispositivo no tiene ese canal.")


class TooManyLimits(Conflict):
    """The device has as many as it may have."""

    sentence = _("El dispositivo ya tiene demasiados límites. Borra alguno.")


class LimitNotFound(NotFound):
    """The device has no such limit."""

    sentence = _("Ese límite no existe.")
