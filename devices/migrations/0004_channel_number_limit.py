"""The highest channel, checked where staff type it: nothing changes in the database."""

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("devices", "0003_schedule")]

    operations = [
        migrations.AlterField(
            model_name="channel",
            name="number",
            field=models.PositiveSmallIntegerField(
                validators=[django.core.validators.MaxValueValidator(31, "El número de canal va de 0 a 31.")],
                verbose_name="canal",
            ),
        ),
    ]
