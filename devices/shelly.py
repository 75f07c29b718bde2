"""What is known about the Shelly family: identity, models and channels. Source: the maker's documentation of Gen2+ devices."""

import re


def normalised_hardware_id(text: str) -> str:
    """Return the id as it is stored: lower case, and a MAC without its separators."""
    bare = re.sub(r"[\s:.\-]", "", text).lower()
    return bare if re.fullmatch(r"[0-9a-f]{12}", bare) else text.strip().lower()
