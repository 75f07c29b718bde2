import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("devices", "0013_channel_kind_and_essential")]

    operations = [
        migrations.CreateModel(
            name="RelayState",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "channel",
                    models.PositiveSmallIntegerField(
                        validators=[django.core.validators.MaxValueValidator(31, "El número de canal va de 0 a 31.")],
                        verbose_name="canal",
                    ),
                ),
                ("is_on", models.BooleanField(verbose_name="encendido")),
                ("since", models.DateTimeField(verbose_name="desde cuándo")),
                (
                    "device",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="relay_states",
                        to="devices.device",
                        verbose_name="dispositivo",
                    ),
                ),
            ],
            options={
                "verbose_name": "estado de un interruptor",
                "verbose_name_plural": "estados de los interruptores",
                "ordering": ["device_id", "channel"],
                "constraints": [models.UniqueConstraint(fields=("device", "channel"), name="devices_relaystate_unique")],
            },
        ),
    ]
