"""Ids of rows, as they stand in a path."""

NO_ROW = 0
MAX_ID = 2**63 - 1


def row_id(text: str | int) -> int:
    """Return the id that the text stands for, or NO_ROW where it can be no row's."""
    text = str(text)
    known = text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= MAX_ID
    return int(text) if known else NO_ROW
