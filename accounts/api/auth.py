"""Logging in and out, and a forgotten password: no call here needs a token, and none looks at one."""

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiResponse, extend_schema
from kombu.exceptions import OperationalError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import services
from accounts.api.serializers import (
    ForgotPasswordSerializer,
    LoginSerializer,
    MessageSerializer,
    RefreshTokenSerializer,
    ResetPasswordSerializer,
    TokenPairSerializer,
    validated,
)
from accounts.exceptions import MailUnavailable, TooManyAttempts
from accounts.security import rate_limits as limits
from accounts.security.throttling import AddressThrottle, neighbourhood
from accounts.tasks import password_reset_mail
from common.schema import answer, asking, invalid, refusals

SHORT_PASSWORD = "La contraseña debe tener de 8 a 128 caracteres."  # noqa: S105
PAIR = {"access_token": "eyJhbGciOiJIUzI1NiIs…", "refresh_token": "mO3b7Xq2-cG…", "token_type": "Bearer"}
SESSION = {200: answer(TokenPairSerializer, PAIR, "Both tokens are new.")}
ONE_TOKEN = asking({"refresh_token": PAIR["refresh_token"]})
NO_TOKEN = invalid("refresh_token", "El token es obligatorio.", kind="required")
THROTTLED = refusals({429: "Demasiados intentos. Inténtalo de nuevo más tarde."})
BUSY = refusals({503: "Hay demasiadas peticiones en este momento. Inténtalo de nuevo en unos segundos."})


def _message(sentence: str) -> dict[int, OpenApiResponse]:
    return {200: answer(MessageSerializer, {"message": sentence})}


def _pair_answer(pair: services.TokenPair) -> Response:
    return Response({**pair._asdict(), "token_type": "Bearer"})


class OpenView(APIView):
    """A call that anybody may make; an access token that has expired must not get in its way."""

    authentication_classes = []
    permission_classes = [AllowAny]


class LoginView(OpenView):
    """Log in."""

    throttle_classes = [AddressThrottle]

    @extend_schema(
        operation_id="auth_login",
        tags=["auth"],
        summary="Log in",
        request=LoginSerializer,
        responses={
            **SESSION,
            **refusals({401: "Email o contraseña incorrectos"}),
            **invalid("user_password", SHORT_PASSWORD, kind="min_length"),
            **THROTTLED,
            **BUSY,
        },
        examples=asking({"user_email": "ana@example.com", "user_password": "secreta123"}),
    )
    def post(self, request: Request) -> Response:
        """Exchange e-mail and password for a session's tokens."""
        return _pair_answer(services.session_login(**validated(LoginSerializer, request), network=neighbourhood(request)))


class RefreshView(OpenView):
    """Renew a session's tokens."""

    @extend_schema(
        operation_id="auth_refresh",
        tags=["auth"],
        summary="Renew a session",
        request=RefreshTokenSerializer,
        responses={
            **SESSION,
            **refusals({401: "Token de refresco inválido o expirado"}),
            **NO_TOKEN,
        },
        examples=ONE_TOKEN,
    )
    def post(self, request: Request) -> Response:
        """Exchange a refresh token for a new pair; the old one works for a short grace, then its use ends the session."""
        return _pair_answer(services.session_refresh(**validated(RefreshTokenSerializer, request)))


class LogoutView(OpenView):
    """Log out."""

    @extend_schema(
        operation_id="auth_logout",
        tags=["auth"],
        summary="Log out",
        request=RefreshTokenSerializer,
        responses={
            **_message("Cierre de sesión exitoso"),
            **NO_TOKEN,
        },
        examples=ONE_TOKEN,
    )
    def post(self, request: Request) -> Response:
        """End the session of a refresh token; an unknown token gets the same answer."""
        services.session_revoke(**validated(RefreshTokenSerializer, request))
        return Response({"message": _("Cierre de sesión exitoso")})


class ForgotPasswordView(OpenView):
    """Ask for a password reset."""

    throttle_classes = [AddressThrottle]

    @extend_schema(
        operation_id="auth_forgot_password",
        tags=["auth"],
        summary="Ask for a password reset",
        request=ForgotPasswordSerializer,
        responses={
            **_message("Si tu correo está registrado, recibirás un email con instrucciones."),
            **invalid("user_email", "El correo electrónico no es válido.", value="ana"),
            **THROTTLED,
            **refusals({503: "No podemos enviar el correo en este momento. Inténtalo de nuevo en unos minutos."}),
        },
        examples=asking({"user_email": "ana@example.com"}),
    )
    def post(self, request: Request) -> Response:
        """Queue a mail, whether or not the account exists: the worker finds out, so the answer and its time tell nothing."""
        email = validated(ForgotPasswordSerializer, request)["email"]
        if wait := limits.hit(limits.account_mails(), limits.account(email)):
            raise TooManyAttempts(wait)
        try:
            password_reset_mail.delay(email)
        except OperationalError as error:
            raise MailUnavailable from error
        return Response({"message": _("Si tu correo está registrado, recibirás un email con instrucciones.")})


class ResetPasswordView(OpenView):
    """Set a new password."""

    throttle_classes = [AddressThrottle]

    @extend_schema(
        operation_id="auth_reset_password",
        tags=["auth"],
        summary="Set a new password",
        request=ResetPasswordSerializer,
        responses={
            **_message("Contraseña actualizada exitosamente."),
            **refusals({400: "El token es inválido o ha expirado."}),
            **invalid("new_password", SHORT_PASSWORD, kind="min_length"),
            **THROTTLED,
            **BUSY,
        },
        examples=asking({"token": "Zk3…", "new_password": "nueva-clave-9"}),
    )
    def post(self, request: Request) -> Response:
        """Use the mailed token to set a password; every session of the account ends."""
        services.password_reset_confirm(**validated(ResetPasswordSerializer, request), network=neighbourhood(request))
        return Response({"message": _("Contraseña actualizada exitosamente.")})
