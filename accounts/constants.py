"""Facts that the accounts rest on."""

# The unique index on the lower case of the e-mail.
EMAIL_CONSTRAINT = "accounts_user_email_unique"

PASSWORD_LENGTH_MIN, PASSWORD_LENGTH_MAX = 8, 128
NAME_LENGTH_MIN, NAME_LENGTH_MAX = 5, 100

# Redis channel: the id of a user whose sessions or memberships have changed.
CHANGES = "ecowatt:accounts:changed"

HOUR_S, MINUTE_S = 3600, 60

# The zones of the IANA database that are in force in Mexico.
MEXICAN_TIME_ZONES = (
    "America/Bahia_Banderas",
    "America/Cancun",
    "America/Chihuahua",
    "America/Ciudad_Juarez",
    "America/Hermosillo",
    "America/Matamoros",
    "America/Mazatlan",
    "America/Merida",
    "America/Mexico_City",
    "America/Monterrey",
    "America/Ojinaga",
    "America/Tijuana",
)
