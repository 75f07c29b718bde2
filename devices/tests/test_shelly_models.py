import pytest

from devices.shelly_models import (
    MODELS,
    Identity,
    bare_prefix,
    channel_names,
    displayed_hardware_id,
    identity_of,
    model_of,
    normalised_hardware_id,
)


@pytest.mark.parametrize(
    "spelling",
    [
        "A8032412C3D4",
        "a8032412c3d4",
        "A8:03:24:12:C3:D4",
        "a8-03-24-12-c3-d4",
        "a803.2412.c3d4",
        " A8 03 24 12 C3 D4 ",
        "a8 03 24 12 c3 d4",
    ],
)
def test_every_spelling_of_a_mac_is_the_same_id(spelling: str) -> None:
    assert identity_of(spelling) == Identity("a8032412c3d4", None)


@pytest.mark.parametrize(
    ("text", "identity"),
    [
        ("shellyplus1pm-a8032412c3d4", Identity("a8032412c3d4", "shellyplus1pm")),
        ("ShellyPro4PM-34987AE4D353", Identity("34987ae4d353", "shellypro4pm")),
        ("shellynuevo9-34987ae4d353", Identity("34987ae4d353", "shellynuevo9")),
        ("shelly" + "x" * 60 + "-34987ae4d353", Identity("shelly" + "x" * 60 + "34987ae4d353", None)),
        ("Medidor-Casa_01", Identity("medidorcasa01", None)),
    ],
)
def test_a_full_shelly_id_carries_mac_and_model(text: str, identity: Identity) -> None:
    assert identity_of(text) == identity


def test_an_id_stays_as_it_is_when_normalised_again() -> None:
    for text in ("A8:03:24:12:C3:D4", "shellyplus1pm-a8032412c3d4", "Medidor-Casa_01"):
        assert normalised_hardware_id(normalised_hardware_id(text)) == normalised_hardware_id(text)


def test_a_mac_is_shown_in_capitals_and_other_ids_as_they_are() -> None:
    assert displayed_hardware_id("a8032412c3d4") == "A8032412C3D4"
    assert displayed_hardware_id("medidorcasa01") == "medidorcasa01"


@pytest.mark.parametrize(
    ("name", "prefix", "channels", "component"),
    [
        ("SPSW-104PE16EU", "shellypro4pm", 4, "switch"),
        ("shellypro4pm", "shellypro4pm", 4, "switch"),
        ("SNSW-102P16EU", "shellyplus2pm", 2, "switch"),
        ("s3pm-001pceu16", "shellypmminig3", 1, "pm1"),
        ("SPEM-002CEBEU50", "shellyproem50", 2, "em1"),
        ("SPEM-003CEBEU", "shellypro3em", 3, "em"),
        ("S3PL-10112EU", "shellyazplug", 1, "switch"),
        ("shellyoutdoorsg3", "shellyoutdoorsg3", 1, "switch"),
        ("shellyplusplugit", "shellyplusplugit", 1, "switch"),
        ("SNPL-00112UK", "shellypluspluguk", 1, "switch"),
        ("shellypro2cover", "shellypro2cover", 2, "cover"),
        ("shellyshutter", "shellyshutter", 1, "cover"),
        ("SNDC-0D4P10WW", "shellyplusrgbwpm", 4, "light"),
    ],
)
def test_a_model_is_known_by_prefix_and_by_code(name: str, prefix: str, channels: int, component: str) -> None:
    model = model_of(name)
    assert model is not None
    assert (model.prefix, model.channel_count, model.component) == (prefix, channels, component)


def test_an_unknown_model_is_none() -> None:
    assert model_of("casa/medidor") is None


def test_no_two_models_share_a_name() -> None:
    names = [name for model in MODELS for name in (model.prefix, *model.codes)]
    assert len(names) == len(set(names))


def test_meters_without_a_relay_say_so() -> None:
    assert {model.prefix for model in MODELS if not model.has_relay and model.component not in ("cover", "light")} == {
        "shellypmminig3",
        "shellyemminig4",
        "shellypro3em",
        "shelly3em63g3",
    }


def test_a_prefix_loses_the_mac_that_was_copied_with_it() -> None:
    assert bare_prefix("shellyplus1pm-a8032412c3d4", "a8032412c3d4") == "shellyplus1pm"
    assert bare_prefix("casa/cocina/", "a8032412c3d4") == "casa/cocina"


def test_one_channel_bears_the_name_and_several_are_numbered() -> None:
    assert channel_names("Cocina", [0]) == {0: "Cocina"}
    assert channel_names("Tablero", range(3)) == {0: "Tablero 1", 1: "Tablero 2", 2: "Tablero 3"}
    assert max(map(len, channel_names("x" * 100, range(4)).values())) <= 100
