"""Who uses EcoWatt: people, the homes they share, each home's supply contract, and their sessions."""

from decimal import Decimal
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, PermissionsMixin
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from accounts.constants import EMAIL_CONSTRAINT, MEXICAN_TIME_ZONES
from accounts.exceptions import NoHome
from accounts.querysets import HomeQuerySet, PasswordResetQuerySet, RefreshTokenQuerySet, SessionQuerySet, UserManager


class User(AbstractBaseUser, PermissionsMixin):
    """A person; the e-mail is the login, compared without regard to case."""

    email = models.EmailField(_("correo electrónico"), max_length=254)
    name = models.CharField(_("nombre"), max_length=100)
    is_active = models.BooleanField(_("activo"), default=True)
    is_staff = models.BooleanField(_("personal"), default=False, help_text=_("Puede entrar a la administración."))
    date_joined = models.DateTimeField(_("alta"), auto_now_add=True)

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
        """Write the e-mail the way it is compared."""
        super().clean()
        self.email = User.objects.normalize_email(self.email)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save; a new password, wherever it was set, ends every session in the same transaction.

        A hash that is only renewed at login is no new password: Django clears `_password` for that.
        """
        if self._password is None or self._state.adding:
            super().save(*args, **kwargs)
            return
        with transaction.atomic():
            super().save(*args, **kwargs)
            self.sessions.revoke()

    @property
    def home(self) -> "Home":
        """The home that the app shows: the first that the user joined, with its contract (1 query). Raises NoHome."""
        home = Home.objects.filter(memberships__user=self).select_related("contract").order_by("memberships__id").first()
        if home is None:
            raise NoHome
        return home


class Home(models.Model):
    """A household: devices, contract, cycle, alerts and reports hang on it."""

    name = models.CharField(_("nombre"), max_length=100)
    # Mexican zones only: their offsets are whole hours, so a local day is a whole number of hour buckets.
    time_zone = models.CharField(
        _("zona horaria"), max_length=40, default="America/Mexico_City", choices=[(zone, zone) for zone in MEXICAN_TIME_ZONES]
    )
    created_at = models.DateTimeField(_("alta"), auto_now_add=True)
    members = models.ManyToManyField(User, through="Membership", related_name="homes")

    objects = HomeQuerySet.as_manager()

    class Meta:
        verbose_name = _("hogar")
        verbose_name_plural = _("hogares")

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """What a user may do in a home."""

    class Role(models.TextChoices):
        OWNER = "owner", _("dueño")
        MEMBER = "member", _("miembro")
        VIEWER = "viewer", _("invitado")

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships", verbose_name=_("usuario"))
    home = models.ForeignKey(Home, on_delete=models.CASCADE, related_name="memberships", verbose_name=_("hogar"))
    role = models.CharField(_("papel"), max_length=10, choices=Role.choices, default=Role.OWNER)

    class Meta:
        verbose_name = _("membresía")
        verbose_name_plural = _("membresías")
        constraints = [models.UniqueConstraint(fields=["user", "home"], name="accounts_membership_unique")]

    def __str__(self) -> str:
        return f"{self.user} – {self.home}"


class Contract(models.Model):
    """A home's supply contract with CFE, as its paper bill states it."""

    class Tariff(models.TextChoices):
        T1 = "1", "1"
        T1A = "1A", "1A"
        T1B = "1B", "1B"
        T1C = "1C", "1C"
        T1D = "1D", "1D"
        T1E = "1E", "1E"
        T1F = "1F", "1F"
        DAC = "DAC", "DAC"

    class DacRegion(models.TextChoices):
        BAJA_CALIFORNIA = "baja_california", "Baja California"
        BAJA_CALIFORNIA_SUR = "baja_california_sur", "Baja California Sur"
        CENTRAL = "central", "Central"
        NOROESTE = "noroeste", "Noroeste"
        NORTE_Y_NORESTE = "norte_y_noreste", "Norte y Noreste"
        SUR_Y_PENINSULAR = "sur_y_peninsular", "Sur y Peninsular"

    home = models.OneToOneField(Home, on_delete=models.CASCADE, related_name="contract", verbose_name=_("hogar"))
    tariff = models.CharField(_("tarifa"), max_length=3, choices=Tariff.choices, default=Tariff.T1F)
    billing_day = models.PositiveSmallIntegerField(
        _("día de corte"),
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(31)],
        help_text=_("Día del mes en que empieza el ciclo; en los meses cortos, el último día."),
    )
    summer_start_month = models.PositiveSmallIntegerField(
        _("inicio del verano"),
        default=5,
        validators=[MinValueValidator(2), MaxValueValidator(5)],
        help_text=_("Mes en que la tarifa de verano empieza en la localidad, de febrero (2) a mayo (5)."),
    )
    dac_region = models.CharField(_("región DAC"), max_length=20, choices=DacRegion.choices, default=DacRegion.CENTRAL)
    iva_rate = models.DecimalField(
        _("IVA"),
        max_digits=4,
        decimal_places=3,
        default=Decimal("0.16"),
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text=_("Como fracción: 0.16 es 16 %."),
    )

    class Meta:
        verbose_name = _("contrato")
        verbose_name_plural = _("contratos")
        constraints = [
            models.CheckConstraint(condition=models.Q(billing_day__range=(1, 31)), name="accounts_contract_billing_day"),
            models.CheckConstraint(condition=models.Q(summer_start_month__range=(2, 5)), name="accounts_contract_summer_start"),
        ]

    def __str__(self) -> str:
        return f"{self.home}: {self.tariff}"


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


class PushToken(models.Model):
    """A phone that gets push messages; it belongs to whoever registered it last."""

    class Platform(models.TextChoices):
        ANDROID = "android", "Android"
        IOS = "ios", "iOS"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="push_tokens", verbose_name=_("usuario"))
    token = models.TextField()
    # SHA-256: a token may have 4096 characters, and PostgreSQL's B-tree takes no key above 2704 bytes.
    digest = models.CharField(max_length=64, unique=True)
    device_name = models.CharField(_("teléfono"), max_length=255, blank=True)
    platform = models.CharField(_("plataforma"), max_length=10, choices=Platform.choices, blank=True)
    updated_at = models.DateTimeField(_("registrado"), auto_now=True)

    class Meta:
        verbose_name = _("teléfono")
        verbose_name_plural = _("teléfonos")

    def __str__(self) -> str:
        return self.device_name or self.platform or f"#{self.pk}"
