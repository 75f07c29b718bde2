"""The states by the names that people write."""

from accounts.models import Contract
from accounts.places.localities import plain

# Beside the codes and names of `Contract.State`: abbreviations and official names, without dots, blanks and accents.
OTHER_NAMES = {
    "AGU": ("ags",),
    "BCN": ("bc", "bajacalifornianorte"),
    "CAM": ("camp",),
    "CHP": ("chis",),
    "CHH": ("chih",),
    "CMX": ("cdmx", "df", "distritofederal", "mexicocity"),
    "COA": ("coah", "coahuiladezaragoza"),
    "DUR": ("dgo",),
    "GUA": ("gto",),
    "HID": ("hgo",),
    "MEX": ("edomex", "edomexico", "edodemex", "edodemexico", "mexico"),
    "MIC": ("mich", "michoacandeocampo"),
    "NLE": ("nl",),
    "QUE": ("qro", "queretarodearteaga"),
    "ROO": ("qroo",),
    "TAM": ("tamps",),
    "TLA": ("tlax",),
    "VER": ("veracruzdeignaciodelallave",),
}


def _letters(text: str) -> str:
    return "".join(letter for letter in plain(text) if letter.isalnum())


_CODES = {
    name: code
    for code, label in Contract.State.choices
    for name in (_letters(code), _letters(label), f"mx{_letters(code)}", *OTHER_NAMES.get(code, ()))
}


def state_code(text: str) -> str | None:
    """Return the code of a state by its code, its name or a usual abbreviation, in any case and with or without accents and dots."""
    return _CODES.get(_letters(text))
