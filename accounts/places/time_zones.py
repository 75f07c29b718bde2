"""Which time a place in Mexico keeps. Pure.

Source: Ley de los Husos Horarios en los Estados Unidos Mexicanos (2022), articles 3 to 5, in the zones of the IANA database. Since then
only the municipalities on the border of the United States (and Baja California) still change their clocks.
"""

from accounts.places.localities import plain

CENTRAL = "America/Mexico_City"
ZONE_OF_STATE = {
    "BCN": "America/Tijuana",
    "BCS": "America/Mazatlan",
    "SIN": "America/Mazatlan",
    "NAY": "America/Mazatlan",
    "SON": "America/Hermosillo",
    "CHH": "America/Chihuahua",
    "ROO": "America/Cancun",
    "CAM": "America/Merida",
    "YUC": "America/Merida",
    "COA": "America/Monterrey",
    "DUR": "America/Monterrey",
    "NLE": "America/Monterrey",
    "TAM": "America/Monterrey",
}
# Municipalities with another time than their state's, by their plain names; and cities that people call them by.
_OTHERS = {
    ("NAY", "America/Bahia_Banderas"): "bahia de banderas, bucerias, nuevo vallarta",
    ("CHH", "America/Ciudad_Juarez"): "juarez, ciudad juarez, ascension, guadalupe, janos, praxedis g. guerrero",
    ("CHH", "America/Ojinaga"): "ojinaga, coyame del sotol, manuel benavides",
    ("COA", "America/Matamoros"): (
        "acuna, ciudad acuna, allende, guerrero, hidalgo, jimenez, morelos, nava, ocampo, piedras negras, villa union, zaragoza"
    ),
    ("NLE", "America/Matamoros"): "anahuac",
    ("TAM", "America/Matamoros"): (
        "nuevo laredo, guerrero, mier, miguel aleman, camargo, gustavo diaz ordaz, reynosa, rio bravo, valle hermoso, matamoros"
    ),
}
_ZONE_OF_MUNICIPALITY = {(state, name): zone for (state, zone), names in _OTHERS.items() for name in names.split(", ")}


def zone_of(state: str, municipality: str = "") -> str | None:
    """Return the IANA zone of a place by its state's code (ISO 3166-2:MX) and municipality; None without a state."""
    if not state:
        return None
    return _ZONE_OF_MUNICIPALITY.get((state, plain(municipality)), ZONE_OF_STATE.get(state, CENTRAL))
