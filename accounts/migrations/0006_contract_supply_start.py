from django.db import migrations, models


def _field() -> models.DateField:
    return models.DateField(
        blank=True,
        help_text="La fecha en que CFE conectó el servicio, si se conoce: en su primer año no hay DAC.",
        null=True,
        verbose_name="inicio del suministro",
    )


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_contract_history_start")]

    operations = [
        migrations.AddField(model_name="contract", name="supply_start", field=_field()),
        migrations.AddField(model_name="historicalcontract", name="supply_start", field=_field()),
    ]
