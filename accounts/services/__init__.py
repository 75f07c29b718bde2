"""Every write to the accounts."""

from accounts.services.contracts import contract_change
from accounts.services.homes import home_zone_follow, users_delete
from accounts.services.mails import email_change_tell
from accounts.services.passwords import password_check, password_reset_confirm, password_reset_request
from accounts.services.push import push_token_register
from accounts.services.sessions import (
    TokenPair,
    session_login,
    session_refresh,
    session_revoke,
    session_start,
    sessions_cleanup,
    sessions_revoke_all,
)
from accounts.services.users import user_register, user_update

__all__ = [
    "TokenPair",
    "contract_change",
    "email_change_tell",
    "home_zone_follow",
    "password_check",
    "password_reset_confirm",
    "password_reset_request",
    "push_token_register",
    "session_login",
    "session_refresh",
    "session_revoke",
    "session_start",
    "sessions_cleanup",
    "sessions_revoke_all",
    "user_register",
    "user_update",
    "users_delete",
]
