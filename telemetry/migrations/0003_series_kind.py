"""The kind of component of each series. It is unknown for those of before, and the next reading says it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0002_schedule")]
    operations = [migrations.AddField(model_name="series", name="kind", field=models.SmallIntegerField(db_default=0))]
