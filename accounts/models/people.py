"""People and their phones."""

from typing import TYPE_CHECKING, Any, ClassVar

from django.apps import apps
from django.contrib.auth.models import AbstractBaseUser, PermissionsMixin
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from accounts.constants import EMAIL_CONSTRAINT
from accounts.exceptions import NoHome
from accounts.querysets import PushTokenQuerySet, UserManager

if TYPE_CHECKING:
    from accounts.models.homes import Home


class User(AbstractBaseUser, PermissionsMixin):
    """A person; the e-mail is the login, compared without regard to case."""

    email = models.EmailField(_("correo electrónico"), max_length=254)
    name = models.CharField(_("nombre"), max_length=100)
    is_active = models.BooleanField(_("activo"), default=True)
    is_staff = models.BooleanField(_("es del equipo"), default=False, help_text=_("Puede entrar a la administración."))
    date_joined = models.DateTimeField(_("fecha de alta"), auto_now_add=True)

    objects: ClassVar[UserManager] = UserManager()
    _password: str | None  # what set_password was given and save has not stored yet

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    class Meta:
        verbose_name = _("usuario")
        verbose_name_plural = _("usuarios")
        constraints = [
            models.UniqueConstraint(
                Lower("email"), name=EMAIL_CONSTRAINT, violation_error_message=_("El correo electrónico ya está en uso.")
            )
        ]

    def __str__(self) -> str:
        return self.email

    def clean(self) -> None:
        """Write the e-mail the way it is compared. Raises ValidationError for a new one that has no such form."""
        # Django's own would write it in another form of Unicode (NFKC), which is another address.
        if not User.objects.filter(pk=self.pk, email=self.email).exists():
            self.email = User.objects.normalize_email(self.email)
            if not self.email.isascii():
                raise ValidationError({"email": _("El correo electrónico no es válido.")})

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save; a new password, wherever it was set, and deactivation end every session in the same transaction.

        A hash that is only renewed at login is no new password: Django clears `_password` for that.
        """
        if self._state.adding or (self._password is None and self.is_active):
            super().save(*args, **kwargs)
            return
        with transaction.atomic():
            super().save(*args, **kwargs)
            self.sessions.revoke()

    @property
    def home(self) -> "Home":
        """The home that the app shows, with the user's role as `caller_role` (1 query). Raises NoHome."""
        home: Home | None = apps.get_model("accounts", "Home").objects.shown_to(self).first()
        if home is None:
            raise NoHome
        return home


class PushToken(models.Model):
    """A phone that gets push messages while its session lasts; it belongs to whoever registered it last."""

    class Platform(models.TextChoices):
        ANDROID = "android", "Android"
        IOS = "ios", "iOS"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="push_tokens", verbose_name=_("usuario"))
    # The login in which the phone registered: it gets pushes for as long as that lasts. Null where it registered before this was noted;
    # such a phone goes with the user's last session.
    session = models.ForeignKey(
        "accounts.Session", on_delete=models.CASCADE, null=True, related_name="push_tokens", verbose_name=_("sesión")
    )
    token = models.TextField()
    # SHA-256: a token may have 4096 characters, and PostgreSQL's B-tree takes no key above 2704 bytes.
    digest = models.CharField(max_length=64, unique=True)
    device_name = models.CharField(_("teléfono"), max_length=255, blank=True)
    platform = models.CharField(_("plataforma"), max_length=10, choices=Platform.choices, blank=True)
    updated_at = models.DateTimeField(_("registrado"), auto_now=True)

    objects = PushTokenQuerySet.as_manager()

    class Meta:
        verbose_name = _("teléfono")
        verbose_name_plural = _("teléfonos")

    def __str__(self) -> str:
        return self.device_name or self.platform or f"#{self.pk}"
