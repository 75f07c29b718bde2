"""How the accounts' endpoints describe themselves in the OpenAPI schema, and what they say on success."""

from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import Throttled

from accounts.api import fields
from accounts.api.serializers import (
    WRONG_DAY,
    WRONG_MONTHS,
    WRONG_PHONE_TOKEN,
    ContractChangeSerializer,
    ContractSerializer,
    ForgotPasswordSerializer,
    LoginSerializer,
    MessageSerializer,
    ProfileChangeSerializer,
    ProfileSerializer,
    PushTokenSerializer,
    RefreshTokenSerializer,
    RegistrationSerializer,
    ResetPasswordSerializer,
    TokenPairSerializer,
)
from accounts.exceptions import (
    Busy,
    EmailTaken,
    LoginRefused,
    MailUnavailable,
    NoContract,
    NoHome,
    NoHomeToChange,
    RefreshRefused,
    ResetRefused,
    TooManyAttempts,
    ViewerMayNotChange,
)
from common.schema import NEEDS_LOGIN, Responses, answer, asking, in_spanish, invalid, refusals

LOGGED_OUT = _("Cierre de sesión exitoso")
RESET_MAILED = _("Si tu correo está registrado, recibirás un email con instrucciones.")
PASSWORD_CHANGED = _("Contraseña actualizada exitosamente.")
PHONE_REGISTERED = _("Token registrado")

PAIR = {"access_token": "eyJhbGciOiJIUzI1NiIs…", "refresh_token": "mO3b7Xq2-cG…", "token_type": "Bearer"}
NEW_TOKENS = {200: answer(TokenPairSerializer, PAIR, "Both tokens are new.")}
ONE_TOKEN = asking({"refresh_token": PAIR["refresh_token"]})
NO_TOKEN = invalid("refresh_token", fields.NO_TOKEN, kind="required")
# Where a password is hashed for whoever asks.
LIMITED = (Throttled, TooManyAttempts, Busy)

REGISTRATION = {
    "user_name": "Ana López",
    "user_email": "ana@example.com",
    "user_password": "secreta123",
    "user_trf_rate": "1c",
    "user_billing_day": 15,
}
PROFILE = {"user_id": 7} | {name: value for name, value in REGISTRATION.items() if name != "user_password"}
PHONE = {"fcm_token": "dGVsZWZvbm8tZGUtYW5h:APA91b" + 6 * "Zk3-mO3b7Xq2_cGdx4", "device_name": "Pixel 9", "platform": "android"}
WRONG_NAME = invalid("user_name", fields.WRONG_NAME, value="Ana", kind="min_length")

TERMS: dict[str, Any] = {
    "tariff": "1b",
    "base_tariff": None,
    "billing_months": 2,
    "billing_day": 20,
    "last_reading": "2026-06-20",
    "supply_start": None,
    "summer_start_month": 4,
    "dac_region": "sur_y_peninsular",
    "generation": "none",
    "iva_rate": 0.16,
    "dap_share": 0.025,
    "dap_mxn": 0.0,
    "discount_share": 0.0,
    "discount_mxn": 0.0,
    "state": "ROO",
    "municipality": "Playa del Carmen",
}
ZONES = {"time_zone": "America/Cancun", "time_zone_of_place": "America/Cancun"}
CONTRACT = {200: answer(ContractSerializer, {"in_force_since": "2026-06-20", **TERMS, "proposals": {}, **ZONES})}


def _message(sentence: Promise) -> Responses:
    return {200: answer(MessageSerializer, {"message": in_spanish(sentence)})}


login = extend_schema(
    operation_id="auth_login",
    tags=["auth"],
    summary="Log in",
    request=LoginSerializer,
    responses=NEW_TOKENS | refusals(LoginRefused, *LIMITED) | invalid("user_password", fields.WRONG_PASSWORD, kind="min_length"),
    examples=asking({"user_email": "ana@example.com", "user_password": "secreta123"}),
)
refresh = extend_schema(
    operation_id="auth_refresh",
    tags=["auth"],
    summary="Renew a session",
    request=RefreshTokenSerializer,
    responses=NEW_TOKENS | refusals(RefreshRefused) | NO_TOKEN,
    examples=ONE_TOKEN,
)
logout = extend_schema(
    operation_id="auth_logout",
    tags=["auth"],
    summary="Log out",
    request=RefreshTokenSerializer,
    responses=_message(LOGGED_OUT) | NO_TOKEN,
    examples=ONE_TOKEN,
)
forgot_password = extend_schema(
    operation_id="auth_forgot_password",
    tags=["auth"],
    summary="Ask for a password reset",
    request=ForgotPasswordSerializer,
    responses=_message(RESET_MAILED)
    | refusals(Throttled, TooManyAttempts, MailUnavailable)
    | invalid("user_email", fields.WRONG_EMAIL, value="ana"),
    examples=asking({"user_email": "ana@example.com"}),
)
reset_password = extend_schema(
    operation_id="auth_reset_password",
    tags=["auth"],
    summary="Set a new password",
    request=ResetPasswordSerializer,
    responses=_message(PASSWORD_CHANGED)
    | refusals(ResetRefused, *LIMITED)
    | invalid("new_password", fields.WRONG_PASSWORD, kind="min_length"),
    examples=asking({"token": "Zk3…", "new_password": "nueva-clave-9"}),
)
register = extend_schema(
    operation_id="users_register",
    tags=["users"],
    summary="Register",
    request=RegistrationSerializer,
    responses={201: answer(ProfileSerializer, PROFILE)} | refusals(EmailTaken, *LIMITED) | WRONG_NAME,
    examples=asking(REGISTRATION),
)
profile = extend_schema(
    operation_id="users_me",
    tags=["users"],
    summary="Read my profile",
    responses={200: answer(ProfileSerializer, PROFILE)} | NEEDS_LOGIN | refusals(NoHome, NoContract),
)
profile_update = extend_schema(
    operation_id="users_me_update",
    tags=["users"],
    summary="Change my profile",
    request=ProfileChangeSerializer,
    responses={200: answer(ProfileSerializer, PROFILE)}
    | NEEDS_LOGIN
    | refusals(ViewerMayNotChange, NoHomeToChange, NoHome, NoContract, EmailTaken)
    | WRONG_NAME,
    examples=asking({"user_trf_rate": "DAC"}),
)
phone_register = extend_schema(
    operation_id="fcm_register",
    tags=["push"],
    summary="Register a phone for push messages",
    request=PushTokenSerializer,
    responses=_message(PHONE_REGISTERED) | NEEDS_LOGIN | invalid("fcm_token", WRONG_PHONE_TOKEN, kind="min_length"),
    examples=asking(PHONE),
)
contract = extend_schema(
    operation_id="contract",
    tags=["contract"],
    summary="Read the supply contract",
    parameters=[
        OpenApiParameter(
            "on", OpenApiTypes.DATE, description="The local date whose version is asked for; today if it is missing."
        )
    ],
    responses=CONTRACT | NEEDS_LOGIN | refusals(NoHome, NoContract) | invalid("on", WRONG_DAY, value="ayer", place="query"),
)
contract_change = extend_schema(
    operation_id="contract_change",
    tags=["contract"],
    summary="Change the supply contract",
    description=(
        "From `valid_from` (today) on, the contract reads as given; what is missing stays as it was on that date. Bills of "
        "cycles that ended before stay as they are; versions that begin later are replaced."
    ),
    request=ContractChangeSerializer,
    responses=CONTRACT
    | NEEDS_LOGIN
    | refusals(ViewerMayNotChange, NoHomeToChange, NoContract)
    | invalid("billing_months", WRONG_MONTHS, value=3, kind="invalid_choice"),
    examples=asking({"valid_from": "2026-06-20", **TERMS}),
)
