import pytest

from accounts.models import Contract
from accounts.places.states import state_code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("SON", "SON"),
        ("son", "SON"),
        (" Sonora ", "SON"),
        ("MX-SON", "SON"),
        ("QUERETARO", "QUE"),
        ("Q. Roo", "ROO"),
        ("quintana   roo", "ROO"),
        ("N.L.", "NLE"),
        ("Nuevo Leon", "NLE"),
        ("México", "MEX"),
        ("Edo. Méx.", "MEX"),
        ("CDMX", "CMX"),
        ("D.F.", "CMX"),
        ("B.C.S.", "BCS"),
        ("BC", "BCN"),
        ("Michoacán de Ocampo", "MIC"),
        ("Arizona", None),
        ("", None),
    ],
)
def test_a_state_is_known_by_the_names_that_people_write(text: str, code: str | None) -> None:
    assert state_code(text) == code


def test_every_state_has_its_code_and_name() -> None:
    assert [(state_code(code), state_code(label)) for code, label in Contract.State.choices] == [
        (code, code) for code in Contract.State.values
    ]
