"""Who uses EcoWatt: people, the homes they share, each home's supply contract, and their sessions."""

from accounts.models.contracts import Contract
from accounts.models.homes import Home, Membership
from accounts.models.people import PushToken, User
from accounts.models.sessions import PasswordReset, RefreshToken, Session

__all__ = ["Contract", "Home", "Membership", "PasswordReset", "PushToken", "RefreshToken", "Session", "User"]
