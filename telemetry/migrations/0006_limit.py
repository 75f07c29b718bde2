"""When circuits are to be switched off."""

from django.db import migrations, models

import devices.validators


class Migration(migrations.Migration):
    dependencies = [("devices", "0014_relay_state"), ("telemetry", "0005_series_fell")]

    operations = [
        migrations.CreateModel(
            name="Limit",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "channel",
                    models.PositiveSmallIntegerField(validators=[devices.validators.channel_validator], verbose_name="canal"),
                ),
                ("power_w", models.FloatField(null=True, verbose_name="potencia máxima, W")),
                ("minutes", models.PositiveSmallIntegerField(null=True, verbose_name="durante, minutos")),
                ("kwh_a_day", models.FloatField(null=True, verbose_name="máximo al día, kWh")),
                ("is_active", models.BooleanField(default=False, verbose_name="activo")),
                ("passed_at", models.DateTimeField(editable=False, null=True, verbose_name="rebasado por última vez")),
                (
                    "device",
                    models.ForeignKey(
                        on_delete=models.deletion.CASCADE,
                        related_name="limits",
                        to="devices.device",
                        verbose_name="dispositivo",
                    ),
                ),
            ],
            options={
                "verbose_name": "límite",
                "verbose_name_plural": "límites",
                "ordering": ["id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("kwh_a_day", None), ("minutes__isnull", False), ("power_w__isnull", False))
                        | models.Q(("kwh_a_day__isnull", False), ("minutes", None), ("power_w", None)),
                        name="telemetry_limit_of_one_kind",
                    )
                ],
            },
        ),
    ]
