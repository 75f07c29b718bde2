from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("devices", "0014_relay_state")]

    operations = [
        migrations.AddField(
            model_name="device",
            name="key_digest",
            field=models.BinaryField(max_length=32, null=True, unique=True),
        ),
        migrations.AddField(
            model_name="device",
            name="key_used_at",
            field=models.DateTimeField(editable=False, null=True, verbose_name="clave usada desde"),
        ),
        migrations.AddField(
            model_name="device",
            name="requires_key",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Rechaza los mensajes que llegan sin la clave del dispositivo.",
                verbose_name="exige su clave",
            ),
        ),
    ]
