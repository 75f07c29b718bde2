"""The history begins with what is there: without it the first change would show no old value."""

from django.db import migrations
from django.utils import timezone


def start(apps, schema_editor):
    rows, history = apps.get_model("tariffs", "Price").objects, apps.get_model("tariffs", "HistoricalPrice")
    known = {"history_date": timezone.now(), "history_type": "+", "history_change_reason": "ya existía al empezar el historial"}
    records = [history(**row, **known) for row in rows.values()]
    history.objects.bulk_create(records, batch_size=1000)


class Migration(migrations.Migration):

    dependencies = [
        ("tariffs", "0003_price_history"),
    ]

    operations = [
        migrations.RunPython(start, migrations.RunPython.noop, elidable=True),
    ]
