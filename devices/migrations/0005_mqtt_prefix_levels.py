"""The prefix's form is checked in Python; nothing changes in the database."""

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("devices", "0004_channel_number_limit")]

    operations = [
        migrations.AlterField(
            model_name="device",
            name="mqtt_prefix",
            field=models.CharField(
                default="shellyplus1pm",
                max_length=100,
                validators=[
                    django.core.validators.RegexValidator(
                        "^[^$+#\\s\\x00-\\x1f][^+#\\x00-\\x1f]*\\Z",
                        "El prefijo MQTT no puede empezar con «$» ni llevar «+», «#» o caracteres de control.",
                    ),
                    django.core.validators.RegexValidator(
                        "^[^/]*(/[^/]*){0,2}\\Z", "El prefijo MQTT lleva dos diagonales a lo más."
                    ),
                ],
                verbose_name="prefijo MQTT",
            ),
        ),
    ]
