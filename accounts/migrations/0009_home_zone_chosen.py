from django.db import migrations, models

from accounts.constants import MEXICAN_TIME_ZONES
from accounts.places.time_zones import CENTRAL, zone_of


def follow_or_stay(apps, schema_editor):
    """Take a zone that is not the default for chosen, and set the others by the place of the home's last contract."""
    homes = apps.get_model("accounts", "Home").objects
    homes.exclude(time_zone=CENTRAL).update(is_zone_chosen=True)
    for home in homes.filter(is_zone_chosen=False, contracts__isnull=False).exclude(contracts__state="").distinct():
        contract = home.contracts.order_by("valid_from").last()
        zone = zone_of(contract.state, contract.municipality)
        if zone and zone != home.time_zone:
            homes.filter(pk=home.pk).update(time_zone=zone)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0008_push_token_session")]

    operations = [
        migrations.AddField(
            model_name="home",
            name="is_zone_chosen",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
        migrations.AlterField(
            model_name="home",
            name="time_zone",
            field=models.CharField(
                choices=[(zone, zone) for zone in MEXICAN_TIME_ZONES],
                default="America/Mexico_City",
                help_text="Mientras nadie elija otra, es la del estado y municipio del contrato.",
                max_length=40,
                verbose_name="zona horaria",
            ),
        ),
        migrations.RunPython(follow_or_stay, migrations.RunPython.noop),
    ]
