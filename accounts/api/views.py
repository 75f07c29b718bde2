"""Logins, profiles, phones and the supply contract."""

from typing import Any

from kombu.exceptions import OperationalError
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import services
from accounts.api import schema
from accounts.api.serializers import (
    ContractChangeSerializer,
    ContractSerializer,
    ForgotPasswordSerializer,
    LoginSerializer,
    OnSerializer,
    ProfileChangeSerializer,
    ProfileSerializer,
    PushTokenSerializer,
    RefreshTokenSerializer,
    RegistrationSerializer,
    ResetPasswordSerializer,
)
from accounts.exceptions import MailUnavailable, TooManyAttempts
from accounts.models import User
from accounts.security import rate_limits as limits
from accounts.security.authentication import caller, caller_session
from accounts.security.throttling import AddressThrottle, neighbourhood
from accounts.selectors import home_to_change
from accounts.tasks import email_change_mail_queue, password_reset_mail
from common.request_serializers import validated, validated_query
from common.views import OpenView


def _pair_answer(pair: services.TokenPair) -> Response:
    return Response({**pair._asdict(), "token_type": "Bearer"})


class LoginView(OpenView):
    throttle_classes = [AddressThrottle]

    @schema.login
    def post(self, request: Request) -> Response:
        """Exchange e-mail and password for a session's tokens."""
        return _pair_answer(services.session_login(**validated(LoginSerializer, request), network=neighbourhood(request)))


class RefreshView(OpenView):
    @schema.refresh
    def post(self, request: Request) -> Response:
        """Exchange a refresh token for a new pair; the old one works for a short grace, then its use ends the session."""
        return _pair_answer(services.session_refresh(**validated(RefreshTokenSerializer, request)))


class LogoutView(OpenView):
    @schema.logout
    def post(self, request: Request) -> Response:
        """End the session of a refresh token; an unknown token gets the same answer."""
        services.session_revoke(**validated(RefreshTokenSerializer, request))
        return Response({"message": schema.LOGGED_OUT})


class ForgotPasswordView(OpenView):
    throttle_classes = [AddressThrottle]

    @schema.forgot_password
    def post(self, request: Request) -> Response:
        """Queue a mail, whether or not the account exists: the worker finds out, so the answer and its time tell nothing."""
        email = validated(ForgotPasswordSerializer, request)["email"]
        if wait := limits.hit(limits.account_mails(), limits.account(email)):
            raise TooManyAttempts(retry_after_s=wait)
        try:
            password_reset_mail.delay(email)
        except OperationalError as error:
            raise MailUnavailable from error
        return Response({"message": schema.RESET_MAILED})


class ResetPasswordView(OpenView):
    throttle_classes = [AddressThrottle]

    @schema.reset_password
    def post(self, request: Request) -> Response:
        """Use the mailed token to set a password; every session of the account ends."""
        services.password_reset_confirm(**validated(ResetPasswordSerializer, request), network=neighbourhood(request))
        return Response({"message": schema.PASSWORD_CHANGED})


def _profile(user: User) -> dict[str, Any]:
    return dict(ProfileSerializer({"user": user, "contract": user.home.contract}).data)


class UsersView(OpenView):
    throttle_classes = [AddressThrottle]

    @schema.register
    def post(self, request: Request) -> Response:
        """Create a user, their home and its supply contract."""
        user = services.user_register(**validated(RegistrationSerializer, request), network=neighbourhood(request))
        return Response(_profile(user), status=status.HTTP_201_CREATED)


class MeView(APIView):
    """The caller's profile: the caller and the contract of their home."""

    @schema.profile
    def get(self, request: Request) -> Response:
        return Response(_profile(caller(request)))

    @schema.profile_update
    def patch(self, request: Request) -> Response:
        """Change what is given; what is missing or null stays as it is."""
        user = caller(request)
        before = user.email
        services.user_update(user=user, **validated(ProfileChangeSerializer, request, email=before))
        email_change_mail_queue(before=before, after=user.email)
        return Response(_profile(user))


class PushTokenView(APIView):
    @schema.phone_register
    def post(self, request: Request) -> Response:
        """Give the phone's token to the caller's session, whoever had it before; when the session ends, its phone gets no more pushes."""
        values = {name: value for name, value in validated(PushTokenSerializer, request).items() if value is not None}
        services.push_token_register(session=caller_session(request), **values)
        return Response({"message": schema.PHONE_REGISTERED})


class ContractView(APIView):
    """What the bills of the caller's home are made by."""

    @schema.contract
    def get(self, request: Request) -> Response:
        """Return the version that is in force, with what the place of the home suggests."""
        asked = validated_query(OnSerializer, request)
        home = caller(request).home
        return Response(ContractSerializer(home.contract_on(asked.get("on", home.today))).data)

    @schema.contract_change
    def put(self, request: Request) -> Response:
        """Write a version, and return it."""
        home = home_to_change(caller(request))
        changes = validated(ContractChangeSerializer, request, today=home.today)
        return Response(ContractSerializer(services.contract_change(home=home, **changes)).data)
