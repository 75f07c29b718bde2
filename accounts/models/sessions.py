"""Logins and password resets; of each token only the SHA-256 is kept."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models.people import User
from accounts.querysets import PasswordResetQuerySet, RefreshTokenQuerySet, SessionQuerySet


class Session(models.Model):
    """A login on one phone: the family of refresh tokens that came of it."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sessions", verbose_name=_("usuario"))
    created_at = models.DateTimeField(_("inicio"), auto_now_add=True)
    revoked_at = models.DateTimeField(_("revocada"), null=True, blank=True)

    objects = SessionQuerySet.as_manager()

    class Meta:
        verbose_name = _("sesión")
        verbose_name_plural = _("sesiones")

    def __str__(self) -> str:
        return f"{self.user} ({self.created_at:%Y-%m-%d %H:%M})"

    @property
    def is_usable(self) -> bool:
        """Whether nobody has ended it and its user may log in, as `SessionQuerySet.usable` asks the database."""
        return self.revoked_at is None and self.user.is_active


class RefreshToken(models.Model):
    """One link of a session's chain; only the SHA-256 of the token is kept."""

    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="tokens", verbose_name=_("sesión"))
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(db_index=True)
    rotated_at = models.DateTimeField(null=True, blank=True)

    objects = RefreshTokenQuerySet.as_manager()

    class Meta:
        verbose_name = _("token de refresco")
        verbose_name_plural = _("tokens de refresco")

    def __str__(self) -> str:
        return f"{self.session_id} → {self.expires_at:%Y-%m-%d}"


class PasswordReset(models.Model):
    """A password reset that was asked for; only the SHA-256 of the mailed token is kept, and it works once."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="password_resets")
    digest = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True, blank=True)

    objects = PasswordResetQuerySet.as_manager()

    class Meta:
        verbose_name = _("restablecimiento de contraseña")
        verbose_name_plural = _("restablecimientos de contraseña")

    def __str__(self) -> str:
        return f"{self.user_id} → {self.expires_at:%Y-%m-%d %H:%M}"
