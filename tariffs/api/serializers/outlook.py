"""The running cycle and where it leads, straight from an Outlook."""

from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers

from tariffs.api.fields import LevelNameField, MonthField, ReasonsField, RoundedDownField, RoundedField
from tariffs.cfe.bill import CERTAINTIES
from tariffs.cfe.tariffs import Tier
from tariffs.outlook.cycle_outlook import DacOutlook, Outlook
from tariffs.outlook.dac import LEAST_MONTHS
from tariffs.outlook.forecast import LEAST_DAYS

TIERS = [tier.value for tier in Tier]


class CycleSerializer(serializers.Serializer[Any]):
    """The running cycle in local dates, the end inclusive."""

    start = serializers.DateField(source="cycle.start")
    end = serializers.DateField(source="cycle.last_day")
    days_left = RoundedField(2)


class NowSerializer(serializers.Serializer[Any]):
    """The cycle so far: the best estimate of it, with what it rests on.

    What meters have not seen is estimated from the home's own habits, with an 80 % interval. Where there is nothing to go by yet,
    `kwh_estimated` and the upper ends are null, and `kwh` and the costs are what they are at least. `next_kwh_mxn` is what the next kWh
    adds to the bill: nothing while the minimum is not reached.
    """

    kwh = RoundedField(3, help_text="Measured and estimated together.")
    kwh_measured = RoundedField(3, source="so_far.measured_kwh")
    kwh_estimated = RoundedField(
        3, source="so_far.missing.expected", allow_null=True, help_text="Of the hours that are not known."
    )
    kwh_low = RoundedField(3, source="so_far.kwh.low")
    kwh_high = RoundedField(3, source="so_far.high_kwh", allow_null=True)
    hours_passed = serializers.IntegerField(source="so_far.hours_passed", help_text="Whole hours since the cycle began.")
    hours_known = RoundedField(
        1, source="so_far.hours_known", help_text="How many of them meters have seen, or their counters have told of since."
    )
    tier = serializers.ChoiceField(choices=TIERS, source="position.tier")
    level_name = LevelNameField(source="position.tier")
    kwh_left_in_tier = serializers.IntegerField(source="position.kwh_left", allow_null=True)
    next_kwh_mxn = serializers.FloatField()
    price_mxn_per_kwh = RoundedField(4, source="position.price_mxn_per_kwh", help_text="Of this tier, with all taxes.")
    cost_mxn = serializers.FloatField(source="cost_mxn.expected")
    cost_low_mxn = serializers.FloatField(source="cost_mxn.low")
    cost_high_mxn = serializers.FloatField(source="high_cost_mxn", allow_null=True)
    cost_if_nothing_more_mxn = serializers.FloatField(source="bill.grand_total")
    certainty = serializers.ChoiceField(choices=CERTAINTIES, source="bill.certainty")
    reasons = ReasonsField(source="bill")
    price_month = MonthField(source="bill.price_month")


class ForecastSerializer(serializers.Serializer[Any]):
    """The whole cycle as it will be, with an 80 % interval."""

    kwh = RoundedField(1, source="kwh.expected")
    kwh_low = RoundedField(1, source="kwh.low")
    kwh_high = RoundedField(1, source="kwh.high")
    cost_mxn = serializers.FloatField(source="cost_mxn.expected")
    cost_low_mxn = serializers.FloatField(source="cost_mxn.low")
    cost_high_mxn = serializers.FloatField(source="cost_mxn.high")


class NextTierSerializer(serializers.Serializer[Any]):
    """The tier that follows. The dates are null where it does not begin in this cycle, or nobody knows."""

    tier = serializers.ChoiceField(choices=TIERS)
    level_name = LevelNameField(source="tier")
    begins_after_kwh = serializers.IntegerField()
    on = serializers.DateField(source="crossing.expected", allow_null=True)
    earliest = serializers.DateField(source="crossing.earliest", allow_null=True)
    latest = serializers.DateField(source="crossing.latest", allow_null=True)
    kwh_per_day_to_avoid = RoundedField(2, allow_null=True)


class DacSerializer(serializers.Serializer[Any]):
    """Where the home stands towards DAC, averages in kWh a month. A home in DAC leaves it on `crosses_on`, another one enters.

    Months that nobody knows count as the average of those known. With less than six months known nothing is said of what is to come.
    Intervals hold four times in five. `note` says what keeps the home from a date, or a date from being certain.
    """

    is_in_dac = serializers.BooleanField(source="is_in")
    limit_kwh_month = serializers.IntegerField(source="projection.limit_kwh_month")
    average_kwh_month = RoundedField(2, source="projection.average.expected", allow_null=True)
    average_low_kwh_month = RoundedField(2, source="projection.average.low", allow_null=True)
    average_high_kwh_month = RoundedField(2, source="projection.average.high", allow_null=True)
    average_at_end_kwh_month = RoundedField(
        2, source="projection.average_at_end.expected", allow_null=True, help_text="When the running cycle ends."
    )
    months_known = serializers.IntegerField(source="projection.months_known", help_text="On paper or measured, of twelve.")
    months_estimated = serializers.IntegerField(
        source="projection.months_estimated", help_text="How many are in bills of which hours are estimated."
    )
    crosses_on = serializers.DateField(
        source="projection.crossing.expected", allow_null=True, help_text="Null: not within a year at this pace."
    )
    crosses_earliest = serializers.DateField(source="projection.crossing.earliest", allow_null=True)
    crosses_latest = serializers.DateField(
        source="projection.crossing.latest", allow_null=True, help_text="Null: perhaps not within a year."
    )
    months_until = serializers.IntegerField(source="projection.months_until", allow_null=True)
    pace_kwh_per_day = RoundedField(
        2,
        source="projection.pace_kwh_per_day",
        allow_null=True,
        help_text="Until `crosses_on`, or the reading that is nearest to the limit.",
    )
    kwh_per_day_to_stay_below = RoundedDownField(
        2,
        source="projection.kwh_per_day_to_stay_below",
        allow_null=True,
        help_text="From now on: keeps the home out of DAC for a year, or less of it leads it out in one. 0: nothing does any more.",
    )
    added_mxn = serializers.FloatField(allow_null=True, help_text="What DAC adds to this cycle's bill.")
    note = serializers.SerializerMethodField()

    def get_note(self, dac: DacOutlook) -> str | None:
        return dac_note(dac)


class GenerationSerializer(serializers.Serializer[Any]):
    """Energy that the home returned to the grid. Under net metering it and the credit are taken from what is billed, which all else says.

    Under net billing the returned energy is paid by the hour at a price that nobody knows beforehand, and the bill is of what was drawn.
    """

    scheme = serializers.CharField(help_text="The contract's `generation`.")
    drawn_kwh = RoundedField(3, help_text="What was drawn in this cycle, measured and estimated.")
    returned_kwh = RoundedField(3, help_text="What was returned in this cycle, as far as it was measured.")
    credit_kwh = RoundedField(3, help_text="What the cycles of the last twelve months left for this one.")


class OutlookSerializer(serializers.Serializer[Any]):
    """The running cycle and where it leads; `forecast_note` says why there is no forecast."""

    cycle = CycleSerializer(source="*")
    now = NowSerializer()
    forecast = ForecastSerializer(source="ahead", allow_null=True)
    forecast_note = serializers.SerializerMethodField()
    next_tier = NextTierSerializer(allow_null=True)
    dac = DacSerializer(allow_null=True)
    generation = GenerationSerializer(allow_null=True, help_text="Null where nothing is returned, by contract and meters.")

    def get_forecast_note(self, outlook: Outlook) -> str | None:
        if outlook.days_known is None:
            return None
        if outlook.days_known < 1:
            text = _("Para un pronóstico hacen falta %(least)d días de datos; por ahora hay menos de uno.")
            return text % {"least": LEAST_DAYS}
        text = _("Para un pronóstico hacen falta %(least)d días de datos; por ahora hay %(days).1f.")
        return text % {"least": LEAST_DAYS, "days": int(outlook.days_known * 10) / 10}


def dac_note(dac: DacOutlook) -> str | None:
    """Return why there is no date of DAC, or what may keep it from coming true."""
    projection, crossing = dac.projection, dac.projection.crossing
    if projection.average_at_end is None:
        text = _("Para una fecha de DAC hacen falta %(least)d meses de consumo conocido; por ahora hay %(months)d.")
        return text % {"least": LEAST_MONTHS, "months": projection.months_known}
    if projection.is_first_year:
        return _("En el primer año del suministro no hay DAC.")
    if crossing and crossing.expected and dac.is_in and crossing.latest != crossing.expected:
        if crossing.latest is None:
            return _("Con un consumo en la parte alta del intervalo, el hogar no sale de DAC dentro de un año.")
        text = _("Con un consumo en la parte alta del intervalo, el hogar no sale de DAC hasta el %(day)s.")
        return text % {"day": f"{crossing.latest:%d/%m/%Y}"}
    if crossing and crossing.expected and not dac.is_in and projection.kwh_per_day_to_stay_below == 0:
        return _("La entrada a DAC ya no se evita: los recibos anteriores bastan para pasar el límite.")
    return None
