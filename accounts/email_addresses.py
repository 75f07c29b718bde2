"""How an e-mail address is written when it is stored and compared. Pure.

Letters beyond ASCII have no one lower case: PostgreSQL takes İ for i in some locales, Python never does. New addresses have none.
"""

from contextlib import suppress


def normalized(email: str) -> str:
    """Return the address with its domain as the name system has it: in lower case, and in ASCII where it has such a form (IDNA)."""
    local, at, domain = email.strip().rpartition("@")
    with suppress(UnicodeError):  # no domain: empty or overlong labels, which is said where addresses are checked
        domain = domain.encode("idna").decode("ascii")
    return f"{local}{at}{domain.lower()}"
