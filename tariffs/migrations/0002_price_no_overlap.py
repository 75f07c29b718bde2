"""No two tiers of a month reach over the same kWh.

The range type gives texts a GiST operator class without an extension. Both steps take milliseconds: the table holds a few thousand rows.
"""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.db import migrations, models
from django.db.models.functions import Least

TYPE = 'CREATE TYPE tariffs_text_range AS RANGE (subtype = text, collation = "C")'


def _point(function, name):
    return models.Func(models.F(name), models.F(name), models.Value("[]"), function=function)


class Migration(migrations.Migration):

    dependencies = [
        ("tariffs", "0001_initial"),
    ]

    operations = [
        migrations.RunSQL(TYPE, "DROP TYPE tariffs_text_range"),
        migrations.AddConstraint(
            model_name="price",
            constraint=ExclusionConstraint(
                name="tariffs_price_no_overlap",
                expressions=[
                    (_point("tariffs_text_range", "tariff"), "="),
                    (_point("tariffs_text_range", "region"), "="),
                    (_point("tariffs_text_range", "season"), "="),
                    (_point("daterange", "month"), "="),
                    (
                        models.Func(Least("lower_kwh_month", "upper_kwh_month"), "upper_kwh_month", function="int4range"),
                        "&&",
                    ),
                ],
                deferrable=models.Deferrable.IMMEDIATE,
                violation_error_message="Los kWh se traslapan con los de otro escalón de la misma tarifa, región, temporada y mes; ajusta antes el otro.",
            ),
        ),
    ]
