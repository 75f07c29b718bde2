"""Who or what gave a command."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("devices", "0010_command")]
    operations = [
        migrations.AddField(
            model_name="command",
            name="cause",
            field=models.CharField(
                choices=[("user", "una persona"), ("schedule", "un horario"), ("limit", "un límite")],
                db_default="user",
                default="user",
                max_length=10,
                verbose_name="causa",
            ),
        ),
    ]
