"""The form of a price, which is checked as a line of a file is."""

from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext

from tariffs.admin.confirmation import ConfirmationForm
from tariffs.admin.exchange import in_spanish
from tariffs.cfe.price_changes import KEY
from tariffs.cfe.price_checks import Remark, Verdict, verdict
from tariffs.cfe.price_file import COLUMNS, GROUP
from tariffs.cfe.prices import Rate
from tariffs.models import Price


class PriceForm(ConfirmationForm):
    """A price beside the other tiers of its month and those of the months around it."""

    def clean(self) -> dict[str, Any]:
        """Refuse what leaves a gap between the tiers of a month, be it the one that the price leaves."""
        if set(COLUMNS) <= set(self.cleaned_data):
            errors = list(self._verdict().errors)
            if self.instance.pk and set(KEY) & set(self.changed_data):
                errors += gaps_without([self.instance])
            if errors:
                cure = gettext("Los límites de un mes se cambian juntos: importa el mes completo.")
                self.add_error(None, [*map(in_spanish, errors), cure])
        return super().clean()

    def warnings(self) -> list[str]:
        """Return the same warnings as for a line of a price file."""
        return list(map(in_spanish, self._verdict().warnings))

    def _verdict(self) -> Verdict:
        rate = Rate(**{name: self.cleaned_data[name] for name in COLUMNS})
        near = Price.objects.beside(rate)
        others = near.exclude(pk=self.instance.pk).rates()
        before, after = ([each for each in rates if each.month == rate.month] for rates in (near.rates(), others))
        return verdict(before, [*after, rate], rate, others)


def gaps_without(prices: Iterable[Price]) -> list[Remark]:
    """Return the gaps that stored prices leave when they go: none where a month goes as a whole (2 queries for each month)."""
    gone = [price.pk for price in prices]
    errors: list[Remark] = []
    for group in Price.objects.filter(pk__in=gone).order_by().values(*GROUP).distinct():
        tiers = Price.objects.filter(**group)
        errors += verdict(tiers.rates(), tiers.exclude(pk__in=gone).rates()).errors
    return errors
