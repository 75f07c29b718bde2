"""What can go wrong with a bill, in the words that the user reads."""

from django.utils.translation import gettext_lazy as _

from common.exceptions import Conflict, NotFound, Unavailable


class PricesMissing(Unavailable):
    """The operator has not loaded the prices of a tariff (`manage.py load_cfe_prices`)."""

    sentence = _("Los precios de CFE de esta tarifa no están cargados.")


class BillNotFound(NotFound):
    """There is no such paper bill, or it is another home's."""

    sentence = _("Recibo no encontrado o no pertenece a tu hogar.")


class BillOverlaps(Conflict):
    """Another paper bill of the home covers some of the same days."""

    sentence = _("Ya hay un recibo que cubre parte de ese periodo.")
