from django.db import migrations, models
from django.db.models import F


def trust_what_is_there(apps, schema_editor):
    """Devices that homes have had until now stay theirs."""
    apps.get_model("devices", "Device").objects.filter(proven_at=None).update(proven_at=F("installed_at"))


class Migration(migrations.Migration):
    dependencies = [("devices", "0005_mqtt_prefix_levels")]

    operations = [
        migrations.AddField(
            model_name="device",
            name="proven_at",
            field=models.DateTimeField(
                editable=False,
                help_text=(
                    "Cuándo se comprobó que el dispositivo está con este hogar; hasta entonces, quien lo compruebe se lo queda."
                ),
                null=True,
                verbose_name="comprobado",
            ),
        ),
        migrations.RunPython(trust_what_is_there, migrations.RunPython.noop),
    ]
