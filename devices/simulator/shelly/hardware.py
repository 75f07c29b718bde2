"""What each simulated model is made of. Source: status dumps of real devices."""

from typing import NamedTuple

from devices.shelly_models import Model, model_of

# Fields that only some models report. `bthc_rev` belongs to `sys`, the others to a metering component.
FREQUENCY, POWER_FACTOR, RETURNED, TEMPERATURE, BTHC = "freq", "pf", "ret_aenergy", "temperature", "bthc_rev"
_PLUS = frozenset({TEMPERATURE})
_PLUS_2PM = frozenset({TEMPERATURE, FREQUENCY, POWER_FACTOR, RETURNED})
_GEN_3 = frozenset({TEMPERATURE, FREQUENCY, RETURNED, BTHC})
_PRO = _GEN_3 | {POWER_FACTOR}
_EM: frozenset[str] = frozenset()


class Hardware(NamedTuple):
    """A model's firmware name and generation, the optional fields that it reports, its inputs, and the Wh of a pulse of its counter."""

    app: str
    generation: int
    fields: frozenset[str]
    inputs: int = 1
    profile: str | None = None
    pulse_wh: float = 0.0


HARDWARE = {
    "shellyplus1pm": Hardware("Plus1PM", 2, _PLUS),
    "shellyplusplugs": Hardware("PlusPlugS", 2, _PLUS, inputs=0),
    "shellyplus2pm": Hardware("Plus2PM", 2, _PLUS_2PM, inputs=2, profile="switch"),
    "shellypro1pm": Hardware("Pro1PM", 2, _PRO, inputs=2),
    "shellypro4pm": Hardware("Pro4PM", 2, _PRO, inputs=4),
    "shelly1pmg3": Hardware("S1PMG3", 3, _GEN_3),
    "shelly1pmminig3": Hardware("Mini1PMG3", 3, _GEN_3),
    "shelly2pmg3": Hardware("S2PMG3", 3, _PRO, inputs=2, profile="switch"),
    "shellyplugsg3": Hardware("PlugSG3", 3, _GEN_3, inputs=0),
    "shelly1pmg4": Hardware("S1PMG4", 4, _GEN_3),
    "shelly2pmg4": Hardware("S2PMG4", 4, _PRO, inputs=2, profile="switch"),
    "shellypstripg4": Hardware("PowerStrip", 4, _PRO - {TEMPERATURE}, inputs=0),
    # It counts pulses: one at 4.4 W in three minutes.
    "shellypmminig3": Hardware("MiniPMG3", 3, _GEN_3 - {TEMPERATURE, BTHC}, inputs=0, pulse_wh=0.213298),
    "shellyemg3": Hardware("EMG3", 3, _EM, inputs=0),
    "shellyproem50": Hardware("ProEM", 2, _EM, inputs=0),
    "shellypro3em": Hardware("Pro3EM", 2, _EM, inputs=0, profile="triphase"),
    "shelly3em63g3": Hardware("S3EMG3", 3, _EM, inputs=0, profile="triphase"),
}
# What stands for a model that is not listed: one with as many channels.
_STAND_INS = ("shellyplus1pm", "shellyplus2pm", "shellypro4pm")


def simulated_model(name: str, channel_count: int) -> Model:
    """Return the model that is simulated for a name and a number of channels : the named one if it has so many, else a stand-in."""
    model = model_of(name)
    if model is None or model.prefix not in HARDWARE or model.channel_count != channel_count:
        stand_ins = [model_of(one) for one in _STAND_INS]
        model = next(one for one in stand_ins if one is not None and one.channel_count >= min(channel_count, 4))
    return model
