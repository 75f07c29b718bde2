"""`manage.py cfe_bill`."""

import json
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.cfe_tariffs import DAC, DAC_REGIONS, TARIFFS
from accounts.places.states import state_code
from tariffs.api.serializers.bills import CalculatedBillSerializer
from tariffs.cfe.bill import Levy, Terms, to_cents
from tariffs.cfe.billing import Biller
from tariffs.cfe.prices import NoPrices, PriceBook
from tariffs.cfe.tariffs import MAX_DAYS, MAX_KWH, MAX_MXN, Season
from tariffs.models import Price, Scheme
from tariffs.rendering import bill_paper

HELP = (
    "Print the bill that CFE would send. Give the period as the paper bill prints it (--from, --to), or the month whose prices it "
    "pays (--price-month, --season). Prices come from the database (load_cfe_prices)."
)


class Command(BaseCommand):
    help = HELP

    def add_arguments(self, parser: ArgumentParser) -> None:
        add = parser.add_argument
        add("--tariff", required=True, type=str.upper, choices=TARIFFS, help="the tariff, such as 1B")
        add("--kwh", required=True, type=_whole, help="energy used, whole kWh")
        add("--from", dest="start", type=_date, metavar="DATE", help="the period's first date, as printed")
        add("--to", dest="end", type=_date, metavar="DATE", help="the period's last date, as printed")
        add("--price-month", type=_month, metavar="YYYY-MM", help="where the period's dates are unknown: the month of its prices")
        add("--season", choices=["verano", "fuera_verano"], help="with --price-month: the season; tariff 1 has none")
        add("--billing-months", type=int, choices=(1, 2), default=1, help="months that a bill covers (%(default)s)")
        add("--summer-start", type=int, choices=range(2, 6), default=5, help="month in which summer starts (%(default)s)")
        add("--dac-region", choices=DAC_REGIONS, help="the region of tariff DAC")
        add("--state", type=_state, help="the state, whose scheme for the tariff counts, such as SON or Sonora")
        add("--iva", type=_share, default=Decimal("0.16"), metavar="SHARE", help="value-added tax (16%%)")
        add("--dap", type=_levy, default=Levy(), metavar="LEVY", help="street lighting: a share (5%%) or pesos a bill (82.00)")
        add("--discount", type=_levy, default=Levy(), metavar="LEVY", help="the state's discount: a share or pesos a bill")
        add("--other", type=_pesos, default=Decimal(0), metavar="PESOS", help="other charges on the bill, such as a deposit")
        add("--carried", type=_pesos, default=Decimal(0), metavar="PESOS", help="cents carried over from the last bill (0.00)")
        add("--json", action="store_true", dest="as_json", help="print JSON")

    def handle(self, *args: Any, as_json: bool, **options: Any) -> None:
        """Compute and print. Raises CommandError for bad options and missing prices."""
        try:
            bill = _biller(options).bill(options["kwh"], carried=options["carried"], other=options["other"])
        except NoPrices as error:
            raise CommandError(f"There are no prices of tariff {options['tariff']}: run manage.py load_cfe_prices.") from error
        except ValueError as error:
            raise CommandError(f"{error}.") from error
        self.stdout.write(
            json.dumps(CalculatedBillSerializer(bill).data, ensure_ascii=False, indent=1) if as_json else bill_paper(bill)
        )


def _biller(options: dict[str, Any]) -> Biller:
    tariff, region = options["tariff"], options["dac_region"]
    if (tariff == DAC) != bool(region):
        raise CommandError("Tariff DAC needs --dac-region, and no other tariff takes it.")
    schemes = Scheme.objects.of_place(options["state"] or "", [tariff])
    prices = PriceBook(Price.objects.of_contract([tariff], region).rates(), schemes)
    terms = Terms(options["billing_months"], options["summer_start"], options["iva"], options["dap"], options["discount"])
    if options["price_month"] and not (options["start"] or options["end"]):
        return Biller.of_month(options["price_month"], _season(options["season"], prices), terms=terms, prices=prices)
    if options["start"] and options["end"] and not (options["price_month"] or options["season"]):
        if (options["end"] - options["start"]).days > MAX_DAYS:
            raise CommandError(f"No bill has more than {MAX_DAYS} days.")
        return Biller.of_period(options["start"], options["end"], terms=terms, prices=prices)
    raise CommandError("Give --from and --to, or --price-month with --season.")


def _season(word: str | None, prices: PriceBook) -> Season:
    if not prices.has_seasons:
        return Season.ALL_YEAR
    if word is None:
        raise CommandError("This tariff has seasons: give --season with --price-month.")
    return Season(word)


def _reader(convert: Callable[[str], Any], what: str) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return convert(text)
        except (ValueError, InvalidOperation):
            raise ArgumentTypeError(f"{text!r} is not {what}") from None

    return read


def _known_state(text: str) -> str:
    code = state_code(text)
    if code is None:
        raise ValueError(text)
    return code


def _number(text: str, most: int = MAX_MXN) -> Decimal:
    number = Decimal(text)
    if not 0 <= number <= most:  # Decimal raises InvalidOperation for what is no number
        raise ValueError(text)
    return number


def _amount(text: str) -> Decimal:
    number = _number(text)
    if number != to_cents(number):
        raise ValueError(text)
    return number


def _digits(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= MAX_KWH):
        raise ValueError(text)
    return int(text)


def _day(text: str) -> date:
    day = date.fromisoformat(text)
    if day.year // 100 != 20:
        raise ValueError(text)
    return day


def _fraction(text: str) -> Decimal:
    if not text.endswith("%"):
        raise ValueError(text)
    return _number(text.removesuffix("%"), most=100) / 100


def _levy_of(text: str) -> Levy:
    return Levy(share=_fraction(text)) if text.endswith("%") else Levy(sum_mxn=_amount(text))


_whole = _reader(_digits, "a whole number up to a million")
_date = _reader(_day, "a date of this century as YYYY-MM-DD")
_month = _reader(lambda text: _day(f"{text}-01"), "a month as YYYY-MM")
_pesos = _reader(_amount, "an amount of pesos, such as 82.00")
_state = _reader(_known_state, "a state of Mexico, such as SON or Sonora")
_share = _reader(_fraction, "a share such as 16%")
_levy = _reader(_levy_of, "a share (5%) or pesos (82.00)")
