"""`manage.py load_cfe_prices`."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tariffs.cfe.price_file import PriceFileError, read_prices
from tariffs.cfe.prices import Rate
from tariffs.cfe.tariffs import PRICES_FILE, SCHEMES_FILE
from tariffs.models import Price
from tariffs.services import prices_load, schemes_load


def _name(rate: Rate) -> str:
    return f"{rate.tariff} {rate.season} {rate.tier} {rate.month:%Y-%m} {rate.region}"


def _terms(rate: Rate) -> str:
    upper = "…" if rate.upper_kwh_month is None else rate.upper_kwh_month
    fixed = "" if rate.fixed_charge_mxn_month is None else f", fixed charge {rate.fixed_charge_mxn_month}"
    return f"{rate.price_mxn_per_kwh} MXN for {rate.lower_kwh_month}–{upper} kWh{fixed}, {rate.provenance}"


class Command(BaseCommand):
    """Load CFE's prices from a CSV file, and with the project's own the states' schemes."""

    help = (
        "Load CFE's prices from a CSV file. The whole file is checked first: one bad line and nothing is written. "
        "Loading twice changes nothing. Months that the file does not name stay as they are. With the project's own file come the "
        "states' schemes that are not there yet."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "file", nargs="?", type=Path, default=PRICES_FILE, help="the CSV file (default: fixtures/cfe_prices.csv)"
        )

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        try:
            with file.open(encoding="utf-8-sig", newline="") as lines:
                rates, warnings = read_prices(lines, known=Price.objects.rates())
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{file} can't be read: {error}") from error
        except PriceFileError as error:
            for line in error.errors:
                self.stderr.write(str(line))
            raise CommandError(f"{file}: {len(error.errors)} bad lines. Nothing was written.") from error
        for text in warnings:
            self.stderr.write(f"warning: {text}")
        if file == PRICES_FILE:
            schemes_load(schemes=json.loads(SCHEMES_FILE.read_text(encoding="utf-8")))
        done = prices_load(rates=rates, reason=f"load_cfe_prices {file.name}"[:100])
        for before, after in done.changed:
            self.stdout.write(f"changed {_name(after)}: {_terms(before)} → {_terms(after)}")
        for rate in done.removed:
            self.stdout.write(f"removed {_name(rate)}")
        self.stdout.write(
            f"{len(done.added)} added, {len(done.changed)} changed, {len(done.removed)} removed, {done.unchanged} unchanged"
        )
