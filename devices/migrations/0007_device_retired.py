from django.core.validators import RegexValidator
from django.db import migrations, models


class Migration(migrations.Migration):
    """A deleted device is retired instead, so a hardware id is unique only among the devices in use, and once a home."""

    dependencies = [("devices", "0006_device_proven")]

    operations = [
        migrations.AddField(
            model_name="device",
            name="retired_at",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="Cuándo lo eliminó su hogar, que conserva lo que midió.",
                null=True,
                verbose_name="retirado",
            ),
        ),
        # First the narrower constraints, so that there is no moment without one.
        migrations.AddConstraint(
            model_name="device",
            constraint=models.UniqueConstraint(
                condition=models.Q(("retired_at__isnull", True)),
                fields=("hardware_id",),
                name="devices_device_in_use",
                violation_error_message="Un hogar ya tiene este dispositivo.",
            ),
        ),
        migrations.AddConstraint(
            model_name="device",
            constraint=models.UniqueConstraint(fields=("home", "hardware_id"), name="devices_device_once_a_home"),
        ),
        migrations.AlterField(
            model_name="device",
            name="hardware_id",
            field=models.CharField(
                max_length=255,
                validators=[
                    RegexValidator(
                        "^(?=.*[0-9A-Za-z])[ -~]+\\Z",
                        "El ID de hardware solo lleva letras sin acento, números y signos comunes.",
                    )
                ],
                verbose_name="ID de hardware",
            ),
        ),
    ]
