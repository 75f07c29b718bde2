"""Requests to the accounts' API that several tests send."""

import re
from datetime import datetime
from typing import Any

from django.core import mail
from rest_framework.test import APIClient

from accounts import services

LOGIN = "/api/v1/auth/login"
ME = "/api/v1/users/me"
USERS = "/api/v1/users/"
PHONES = "/api/v1/fcm/register"
REFRESH = "/api/v1/auth/refresh"
RESET = "/api/v1/auth/reset-password"
# Every call that takes a body.
ENDPOINTS = [
    ("post", "auth/login"),
    ("post", "auth/refresh"),
    ("post", "auth/logout"),
    ("post", "auth/forgot-password"),
    ("post", "auth/reset-password"),
    ("post", "users/"),
    ("patch", "users/me"),
    ("put", "contract"),
    ("post", "fcm/register"),
]
ANA = {"user_name": "Ana López", "user_email": "ana@example.com", "user_password": "secreta123"}
NEW = "otra-clave-2"
PHONE_TOKEN = "t" * 100
MAILED_TOKEN = re.compile(r"^[\w-]{43}$", re.MULTILINE)


def login(client: APIClient, email: str, password: str = "otra-clave", **extra: Any) -> Any:
    return client.post(LOGIN, {"user_email": email, "user_password": password}, format="json", **extra)


def refresh(client: APIClient, token: str) -> Any:
    return client.post(REFRESH, {"refresh_token": token}, format="json")


def register(client: APIClient, **changes: Any) -> Any:
    return client.post(USERS, ANA | changes, format="json")


def register_phone(client: APIClient, token: Any = PHONE_TOKEN, **more: Any) -> Any:
    return client.post(PHONES, {"fcm_token": token, **more}, format="json")


def reset(client: APIClient, token: str, password: str = NEW, **extra: Any) -> Any:
    return client.post(RESET, {"token": token, "new_password": password}, format="json", **extra)


def token_of(message: Any) -> str:
    """Find the token where a person would: alone on a line of the text."""
    (token,) = MAILED_TOKEN.findall(message.body)
    return str(token)


def mailed_token(email: str = "dueno@example.com", now: datetime | None = None) -> str:
    assert services.password_reset_request(email=email, now=now)
    return token_of(mail.outbox[-1])
