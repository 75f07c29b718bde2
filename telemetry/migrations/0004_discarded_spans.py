from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """Which readings owners have discarded."""

    dependencies = [
        ("devices", "0008_role_changes"),
        ("telemetry", "0003_series_kind"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="DiscardedSpan",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("start", models.DateTimeField(verbose_name="desde")),
                ("end", models.DateTimeField(verbose_name="hasta")),
                ("discarded_at", models.DateTimeField(auto_now_add=True, verbose_name="cuándo")),
                ("readings", models.IntegerField(verbose_name="lecturas")),
                ("five_minutes", models.IntegerField(verbose_name="periodos de cinco minutos")),
                ("hours", models.IntegerField(verbose_name="horas")),
                ("energy_wh", models.FloatField(verbose_name="energía, Wh")),
                (
                    "device",
                    models.ForeignKey(
                        on_delete=models.deletion.CASCADE, related_name="+", to="devices.device", verbose_name="dispositivo"
                    ),
                ),
                (
                    "discarded_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="quién",
                    ),
                ),
            ],
            options={
                "verbose_name": "lecturas descartadas",
                "verbose_name_plural": "lecturas descartadas",
                "ordering": ["-discarded_at"],
                "indexes": [models.Index(fields=["device", "start"], name="telemetry_discarded_span")],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("start__lt", models.F("end"))), name="telemetry_discarded_order")
                ],
            },
        ),
    ]
