"""A limit that could not switch off is told."""

from django.db import migrations, models

KINDS = [
    ("overpower", "potencia excesiva"),
    ("overvoltage", "voltaje alto"),
    ("undervoltage", "voltaje bajo"),
    ("overcurrent", "corriente excesiva"),
    ("overtemperature", "temperatura excesiva"),
    ("meter_failed", "el medidor falla"),
    ("restart_required", "necesita reiniciarse"),
    ("schedule_skipped", "horario omitido"),
    ("limit_passed", "límite rebasado"),
    ("limit_undone", "límite rebasado sin poder apagar"),
    ("replaced", "dispositivo reemplazado"),
    ("model_learnt", "modelo reconocido"),
]


class Migration(migrations.Migration):
    dependencies = [("devices", "0019_what_devices_tell")]
    operations = [
        migrations.AlterField("deviceevent", "kind", models.CharField(choices=KINDS, max_length=20, verbose_name="qué pasó"))
    ]
