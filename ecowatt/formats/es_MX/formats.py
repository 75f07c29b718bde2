"""Dates as Mexicans write them, with the month in lower case; times with their zone."""

DATE_FORMAT = "j b Y"
DATETIME_FORMAT = "j b Y, H:i T"
SHORT_DATETIME_FORMAT = "d/m/Y H:i T"
