"""A bill in the words that people read."""

from collections.abc import Mapping
from decimal import Decimal

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tariffs.cfe.bill import Bill, Doubt, Line
from tariffs.cfe.tariffs import TIER_NAMES, Season

SEASONS: Mapping[Season, Promise] = {
    Season.ALL_YEAR: gettext_lazy("todo el año"),
    Season.SUMMER: gettext_lazy("verano"),
    Season.NOT_SUMMER: gettext_lazy("fuera de verano"),
}
_DOUBTS: Mapping[Doubt, Promise] = {
    Doubt.MIXED_SEASON: gettext_lazy(
        "El periodo cruza el cambio de temporada y la regla de CFE se dedujo de pocos recibos: es una estimación."
    ),
    Doubt.STATE_SCHEME: gettext_lazy(
        "El verano y los límites de tu estado en esta tarifa se conocen por fuentes secundarias: es una estimación."
    ),
    Doubt.UNKNOWN_READING: gettext_lazy(
        "No sabemos en qué meses se lee tu medidor: el periodo puede ser otro. Escribe la fecha de una lectura o un recibo."
    ),
    Doubt.MONTHLY_PRICE_MONTH: gettext_lazy("El mes de los precios de un recibo mensual no se ha confirmado con un recibo real."),
    Doubt.UNUSUAL_IVA: gettext_lazy("Un IVA distinto de 16 %% no se ha confirmado con un recibo real."),
    Doubt.ESTIMATED_HOURS: gettext_lazy(
        "Faltan mediciones de una parte del periodo: su consumo se estimó con los hábitos del hogar."
    ),
    Doubt.UNKNOWN_HOURS: gettext_lazy(
        "Faltan mediciones de una parte del periodo y aún no hay datos para estimarla: el consumo y el costo son al menos estos."
    ),
    Doubt.RETURNED_ENERGY: gettext_lazy(
        "El hogar entrega energía a la red y el contrato no dice cómo se factura: indícalo en el contrato; el recibo puede ser menor."
    ),
    Doubt.NET_METERING: gettext_lazy(
        "Con medición neta, los kWh a favor de antes de tener mediciones no se conocen: es una estimación."
    ),
    Doubt.NET_BILLING: gettext_lazy(
        "Con facturación neta, la energía entregada se paga a un precio por hora que no se conoce: el recibo puede ser menor."
    ),
    Doubt.UNKNOWN_MONTH: gettext_lazy("No se conocen los precios del mes que corresponde: se usan los de %(month)s."),
    Doubt.DERIVED_PRICE: gettext_lazy("Un precio no se ha visto impreso: se dedujo de otro con el factor mensual del año."),
}


def reasons(bill: Bill) -> list[str]:
    """Return why a bill is not exact, a sentence for each doubt."""
    return [_DOUBTS[doubt] % {"month": f"{bill.price_month:%Y-%m}"} for doubt in bill.doubts]


def certainty_word(bill: Bill) -> str:
    """Return how far a bill can be trusted, in a word."""
    return {"exact": _("exacto"), "provisional": _("provisional"), "estimate": _("estimación")}[bill.certainty]


def bill_paper(bill: Bill) -> str:
    """Lay the bill out as CFE prints it; sums that are nothing are left out, except what every bill has."""
    used, month, item, price, amount = _("Consumo"), _("precios de"), _("Concepto"), _("Precio"), _("Importe")
    head = f"{used}: {bill.kwh} kWh · {SEASONS[bill.season]} · {month} {bill.price_month:%Y-%m}"
    table = [f"{item:<34}{'kWh':>8}{price:>10}{amount:>12}"]
    for line in bill.lines:
        name = f"{TIER_NAMES[line.tier]} ({SEASONS[line.season]})"
        table.append(f"{name:<34}{_kwh(line):>8}{line.price:>10.3f}{line.amount:>12.2f}")
    sums: list[tuple[str, Decimal, bool]] = [
        (_("Cargo fijo"), bill.fixed_charge, False),
        (_("Energía"), bill.energy_subtotal, True),
        (_("IVA"), bill.iva, True),
        (_("Facturación del periodo"), bill.period_total, True),
        (_("Alumbrado público (DAP)"), bill.dap, False),
        (_("Descuento estatal"), -bill.discount, False),
        (_("Otros cargos"), bill.other, False),
        (_("Total"), bill.grand_total, True),
        (_("Centavos del recibo anterior"), bill.carried_in, False),
    ]
    table += [f"{name:<52}{amount:>12.2f}" for name, amount, always in sums if always or amount]
    to_pay, carried, certainty = _("TOTAL A PAGAR"), _("Centavos para el próximo recibo"), _("Certeza")
    table += [f"{to_pay:<52}{f'${bill.amount_to_pay:,}':>12}", f"{carried:<52}{bill.carried_out:>12.2f}"]
    return "\n".join([head, "", *table, "", f"{certainty}: {certainty_word(bill)}", *(f"- {text}" for text in reasons(bill))])


def _kwh(line: Line) -> str:
    """Return the kWh of a line; those of a mixed bill need not be whole."""
    return f"{line.kwh:.2f}" if isinstance(line.kwh, Decimal) else str(line.kwh)
