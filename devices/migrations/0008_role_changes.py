from django.db import migrations, models
from django.utils import timezone


class Migration(migrations.Migration):
    """When a device began or ceased to measure the whole house. Those that are there have always done what they do."""

    dependencies = [("devices", "0007_device_retired")]

    operations = [
        migrations.AlterField(
            model_name="device",
            name="is_main",
            field=models.BooleanField(
                default=False,
                help_text="Cada hora que este medidor conoce, el total de la casa es solo el suyo.",
                verbose_name="mide toda la casa",
            ),
        ),
        migrations.CreateModel(
            name="RoleChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(default=timezone.now, verbose_name="desde")),
                (
                    "device",
                    models.ForeignKey(
                        on_delete=models.deletion.CASCADE,
                        related_name="role_changes",
                        to="devices.device",
                        verbose_name="dispositivo",
                    ),
                ),
            ],
            options={
                "verbose_name": "cambio de papel",
                "verbose_name_plural": "cambios de papel: cuándo empezó o dejó de medir toda la casa",
                "ordering": ["device_id", "at"],
                "constraints": [models.UniqueConstraint(fields=("device", "at"), name="devices_rolechange_unique")],
            },
        ),
    ]
