"""CFE's domestic tariffs and the regions of DAC: the one list of each, which contracts, prices and the API take theirs from. Pure."""

# A locality's tariff follows from the heat of its summer; a home of high consumption leaves it for DAC.
LOCALITY_TARIFFS = ("1", "1A", "1B", "1C", "1D", "1E", "1F")
DAC = "DAC"
TARIFFS = (*LOCALITY_TARIFFS, DAC)

# As contracts name them, and as CFE prints them.
DAC_REGIONS = {
    "baja_california": "Baja California",
    "baja_california_sur": "Baja California Sur",
    "central": "Central",
    "noroeste": "Noroeste",
    "norte_y_noreste": "Norte y Noreste",
    "sur_y_peninsular": "Sur y Peninsular",
}
