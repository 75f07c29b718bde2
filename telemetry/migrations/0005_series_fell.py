"""When a series' counter fell last: what was misread lies near, so roll-ups elsewhere need not look far."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0004_discarded_spans")]
    operations = [migrations.AddField(model_name="series", name="fell", field=models.DateTimeField(null=True))]
