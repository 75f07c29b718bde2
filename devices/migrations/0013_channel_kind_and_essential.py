from django.db import migrations, models


class Migration(migrations.Migration):
    """What hangs on a circuit, and whether it must stay on. Nobody has said anything of those that are there."""

    dependencies = [("devices", "0012_device_event")]

    operations = [
        migrations.AddField(
            model_name="channel",
            name="kind",
            field=models.CharField(
                blank=True,
                choices=[
                    ("refrigerator", "refrigerador o congelador"),
                    ("air_conditioning", "aire acondicionado"),
                    ("heating", "calefacción"),
                    ("water_heater", "calentador de agua"),
                    ("pump", "bomba de agua"),
                    ("lights", "iluminación"),
                    ("washing_machine", "lavadora"),
                    ("dryer", "secadora"),
                    ("cooking", "estufa, horno o microondas"),
                    ("electronics", "electrónicos"),
                    ("ev_charger", "cargador de auto eléctrico"),
                    ("medical", "equipo médico"),
                    ("solar", "paneles solares"),
                    ("mixed", "circuito mixto"),
                    ("whole_house", "toda la casa"),
                    ("other", "otro"),
                ],
                db_default="",
                default="",
                help_text="Vacío si nadie lo ha dicho.",
                max_length=20,
                verbose_name="tipo",
            ),
        ),
        migrations.AddField(
            model_name="channel",
            name="is_essential",
            field=models.BooleanField(
                db_default=False, default=False, help_text="Ningún horario ni límite lo apaga.", verbose_name="esencial"
            ),
        ),
    ]
