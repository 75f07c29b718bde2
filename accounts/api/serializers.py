"""The wire's names for accounts."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.request import Request

from accounts.api.fields import (
    BillingDayField,
    EmailField,
    NameField,
    NewEmailField,
    PasswordField,
    RateField,
    TextField,
    TokenField,
    sentences,
)
from accounts.models import PushToken
from accounts.models.contracts import DEFAULT_TARIFF
from common.request_serializers import BodySerializer

Values = dict[str, Any]


class LoginSerializer(BodySerializer):
    """Who logs in."""

    user_email = EmailField(source="email")
    user_password = PasswordField(source="password")


class TokenPairSerializer(serializers.Serializer[Values]):
    """A session's tokens."""

    access_token = serializers.CharField()
    refresh_token = serializers.CharField(max_length=512)
    token_type = serializers.CharField()


class RefreshTokenSerializer(BodySerializer):
    """The session's other half."""

    refresh_token = TokenField(source="token")


class ForgotPasswordSerializer(BodySerializer):
    """Whose password is forgotten."""

    user_email = EmailField(source="email")


class ResetPasswordSerializer(BodySerializer):
    """The mailed token and what replaces the password."""

    token = TokenField()
    new_password = PasswordField()


class MessageSerializer(serializers.Serializer[Values]):
    """A sentence for the user."""

    message = serializers.CharField()


class RegistrationSerializer(BodySerializer):
    """A new user and the contract of their home."""

    user_name = NameField(source="name")
    user_email = NewEmailField(source="email")
    user_password = PasswordField(source="password")
    user_trf_rate = RateField(source="tariff", default=DEFAULT_TARIFF)
    user_billing_day = BillingDayField(source="billing_day", default=1)


class ProfileChangeSerializer(BodySerializer):
    """What to change; what is not there, or null, stays."""

    user_name = NameField(source="name", required=False, allow_null=True)
    user_email = NewEmailField(source="email", required=False, allow_null=True)
    user_trf_rate = RateField(source="tariff", required=False, allow_null=True)
    user_billing_day = BillingDayField(source="billing_day", required=False, allow_null=True)


class ProfileSerializer(serializers.Serializer[Values]):
    """A user with the contract of their home."""

    user_id = serializers.IntegerField(source="user.id")
    user_name = serializers.CharField(source="user.name")
    user_email = serializers.EmailField(source="user.email")
    user_trf_rate = RateField(source="contract.tariff")
    user_billing_day = serializers.IntegerField(source="contract.billing_day")


class PushTokenSerializer(BodySerializer):
    """A phone that wants push messages."""

    fcm_token = TextField(
        source="token",
        min_length=100,
        max_length=4096,
        error_messages=sentences(
            missing=_("El token del teléfono es obligatorio."),
            wrong=_("El token del teléfono debe tener de 100 a 4096 caracteres."),
        ),
    )
    device_name = TextField(
        max_length=255,
        required=False,
        allow_null=True,
        allow_blank=True,
        error_messages=sentences(
            missing=_("El nombre del teléfono debe ser un texto."), wrong=_("El nombre del teléfono admite hasta 255 caracteres.")
        ),
    )
    platform = serializers.ChoiceField(
        choices=PushToken.Platform.choices,
        required=False,
        allow_null=True,
        error_messages=sentences(
            missing=_("La plataforma debe ser android o ios."), wrong=_("La plataforma debe ser android o ios.")
        ),
    )


def validated(serializer_class: type[serializers.Serializer[Values]], request: Request, **context: Any) -> Values:
    """Return what the request's body says, by our own names. Raises ValidationError with everything that is wrong."""
    serializer = serializer_class(data=request.data, context=context)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)
