"""Prices out to their CSV file and in from it, in the steps of django-import-export: upload, preview of the changes, confirm."""

import io
from collections.abc import Iterable, Iterator
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext
from import_export.fields import Field
from import_export.formats.base_formats import CSV
from import_export.resources import Resource
from import_export.results import Result, RowResult
from tablib import Dataset
from unfold.contrib.import_export.forms import ImportForm

from tariffs.admin.history import in_words
from tariffs.cfe.price_changes import PriceChanges, compare
from tariffs.cfe.price_checks import Remark
from tariffs.cfe.price_file import COLUMNS, Notice, read_prices, write_prices
from tariffs.cfe.prices import Rate
from tariffs.models import Price
from tariffs.querysets import PriceQuerySet
from tariffs.services import prices_load

PRICE_FIELDS: list[Any] = [Price._meta.get_field(name) for name in COLUMNS]
MOST_BYTES = 1_000_000  # ten times all the prices there are


class UploadForm(ImportForm):
    """Takes a file of a size that prices can have; it is kept in the cache until it is confirmed."""

    def clean_import_file(self) -> Any:
        file = self.cleaned_data["import_file"]
        if file.size > MOST_BYTES:
            raise ValidationError(gettext("El archivo es demasiado grande."))
        return file


class UploadGone(LookupError):
    """The uploaded file is gone: it was confirmed already, or has expired."""


class RateSheet(Dataset):
    """Rates, one a row, with what is odd about them."""

    def __init__(self, rates: Iterable[Rate], warnings: Iterable[Notice] = ()) -> None:
        super().__init__(*rates, headers=COLUMNS)
        self.warnings = list(warnings)

    @property
    def rates(self) -> list[Rate]:
        return [Rate(*row) for row in self]


class PriceCsv(CSV):
    """The file that `load_cfe_prices` reads."""

    def create_dataset(self, in_stream: bytes | None, **options: Any) -> RateSheet:
        """Read it. Raises UploadGone, UnicodeDecodeError, and PriceFileError with every bad line."""
        if in_stream is None:
            raise UploadGone
        file = read_prices(io.StringIO(in_stream.decode(self.encoding), newline=""), known=Price.objects.rates())
        return RateSheet(file.rates, file.warnings)

    def export_data(self, dataset: RateSheet, **options: Any) -> str:
        return write_prices(dataset.rates)


class Preview(Result):
    """What an import changes, with a sentence for each price that is odd."""

    def __init__(self, changes: PriceChanges, warnings: Iterable[Notice]) -> None:
        super().__init__()
        self.diff_headers = [capfirst(str(field.verbose_name)) for field in PRICE_FIELDS]
        self.rows = list(_rows(changes))
        self.warnings = [sentence(notice) for notice in warnings]
        for row in self.rows:
            self.increment_row_result_total(row)
        self.totals[RowResult.IMPORT_TYPE_SKIP] = changes.unchanged
        self.total_rows = len(changes.added) + len(changes.changed) + changes.unchanged


class PriceResource(Resource):
    """The table of prices as a file; a file is taken as a whole or not at all."""

    @classmethod
    def get_display_name(cls) -> str:
        return str(Price._meta.verbose_name_plural)

    def get_user_visible_fields(self) -> list[Field]:
        return [Field(column_name=name) for name in COLUMNS]

    def export(self, queryset: PriceQuerySet, **options: Any) -> RateSheet:
        """Return the rates of the prices (1 query)."""
        return RateSheet(queryset.rates())

    def import_data(self, dataset: RateSheet, dry_run: bool = False, file_name: str = "", **options: Any) -> Preview:
        """Write the rates, or tell what writing them would change (1 query)."""
        if dry_run:
            return Preview(compare(Price.objects.rates(), dataset.rates), dataset.warnings)
        reason = gettext("Importación de %(file)s") % {"file": file_name}
        return Preview(prices_load(rates=dataset.rates, reason=reason[:100]), dataset.warnings)


def in_spanish(remark: Remark) -> str:
    """Return what the user reads of a remark."""
    return gettext(remark.template) % remark.values


def sentence(notice: Notice) -> str:
    """Return what the user reads of a notice."""
    remarks = "; ".join(map(in_spanish, notice.remarks))
    return gettext("Línea %(line)d: %(remarks)s") % {"line": notice.line, "remarks": remarks}


def _rows(changes: PriceChanges) -> Iterator[RowResult]:
    for before, after in changes.changed:
        yield _row(RowResult.IMPORT_TYPE_UPDATE, _cells(before, after))
    for rate in changes.removed:
        yield _row(RowResult.IMPORT_TYPE_DELETE, _cells(rate, rate))
    for rate in changes.added:
        yield _row(RowResult.IMPORT_TYPE_NEW, _cells(rate, rate))


def _row(kind: str, cells: list[str]) -> RowResult:
    row = RowResult()
    row.import_type, row.diff = kind, cells
    return row


def _cells(before: Rate, after: Rate) -> list[str]:
    """Return what the preview shows of each column: the value, or the old one struck out before the new one."""
    return [_cell(field, old, new) for field, old, new in zip(PRICE_FIELDS, before, after, strict=True)]


def _cell(field: Any, old: Any, new: Any) -> str:
    shown_old, shown_new = (_shown(field, value) for value in (old, new))
    if old == new:
        return str(shown_new)
    return format_html("<del>{}</del> <ins>{}</ins>", shown_old, shown_new)


def _shown(field: Any, value: Any) -> Any:
    return f"{value:%Y-%m}" if field.name == "month" else in_words(field, value)
