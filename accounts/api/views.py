"""Profiles and phones."""

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import services
from accounts.api.auth import BUSY, THROTTLED, OpenView
from accounts.api.serializers import (
    MessageSerializer,
    ProfileChangeSerializer,
    ProfileSerializer,
    PushTokenSerializer,
    RegistrationSerializer,
    validated,
)
from accounts.models import User
from accounts.security.authentication import caller, caller_session
from accounts.security.throttling import AddressThrottle, neighbourhood
from accounts.tasks import email_change_mail_queue
from common.schema import NEEDS_LOGIN, answer, asking, invalid, refusals

EMAIL_TAKEN = refusals({409: "El correo electrónico ya está en uso."})
WRONG_NAME = invalid("user_name", "El nombre debe tener de 5 a 100 caracteres.", value="Ana", kind="min_length")
NO_HOME = refusals({404: "Tu cuenta no pertenece a ningún hogar."})
REGISTRATION = {
    "user_name": "Ana López",
    "user_email": "ana@example.com",
    "user_password": "secreta123",
    "user_trf_rate": "1c",
    "user_billing_day": 15,
}
PROFILE = {"user_id": 7} | {name: value for name, value in REGISTRATION.items() if name != "user_password"}
PHONE = {"fcm_token": "dGVsZWZvbm8tZGUtYW5h:APA91b" + 6 * "Zk3-mO3b7Xq2_cGdx4", "device_name": "Pixel 9", "platform": "android"}


def _profile(user: User) -> dict[str, Any]:
    return dict(ProfileSerializer({"user": user, "contract": user.home.contract}).data)


class UsersView(OpenView):
    """Registration."""

    throttle_classes = [AddressThrottle]

    @extend_schema(
        operation_id="users_register",
        tags=["users"],
        summary="Register",
        request=RegistrationSerializer,
        responses={201: answer(ProfileSerializer, PROFILE), **EMAIL_TAKEN, **WRONG_NAME, **THROTTLED, **BUSY},
        examples=asking(REGISTRATION),
    )
    def post(self, request: Request) -> Response:
        """Create a user, their home and its supply contract."""
        user = services.user_register(**validated(RegistrationSerializer, request), network=neighbourhood(request))
        return Response(_profile(user), status=status.HTTP_201_CREATED)


class MeView(APIView):
    """The caller's profile."""

    @extend_schema(
        operation_id="users_me",
        tags=["users"],
        summary="Read my profile",
        responses={200: answer(ProfileSerializer, PROFILE), **NEEDS_LOGIN, **NO_HOME},
    )
    def get(self, request: Request) -> Response:
        """Return the caller and the contract of their home."""
        return Response(_profile(caller(request)))

    @extend_schema(
        operation_id="users_me_update",
        tags=["users"],
        summary="Change my profile",
        request=ProfileChangeSerializer,
        responses={200: answer(ProfileSerializer, PROFILE), **NEEDS_LOGIN, **NO_HOME, **EMAIL_TAKEN, **WRONG_NAME},
        examples=asking({"user_trf_rate": "DAC"}),
    )
    def patch(self, request: Request) -> Response:
        """Change what is given; what is missing or null stays as it is."""
        user = caller(request)
        before = user.email
        services.user_update(user=user, **validated(ProfileChangeSerializer, request, email=before))
        email_change_mail_queue(before=before, after=user.email)
        return Response(_profile(user))


class PushTokenView(APIView):
    """The caller's phones."""

    @extend_schema(
        operation_id="fcm_register",
        tags=["push"],
        summary="Register a phone for push messages",
        request=PushTokenSerializer,
        responses={
            200: answer(MessageSerializer, {"message": "Token registrado"}),
            **NEEDS_LOGIN,
            **invalid("fcm_token", "El token del teléfono debe tener de 100 a 4096 caracteres.", kind="min_length"),
        },
        examples=asking(PHONE),
    )
    def post(self, request: Request) -> Response:
        """Give the phone's token to the caller's session, whoever had it before; when the session ends, its phone gets no more pushes."""
        values = {name: value for name, value in validated(PushTokenSerializer, request).items() if value is not None}
        services.push_token_register(session=caller_session(request), **values)
        return Response({"message": _("Token registrado")})
