"""Homes and who belongs to them."""

from datetime import date
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django.db import models
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from accounts.constants import MEXICAN_TIME_ZONES
from accounts.exceptions import NoContract
from accounts.models.people import User
from accounts.querysets import HomeQuerySet

if TYPE_CHECKING:
    from accounts.models.contracts import Contract


class Home(models.Model):
    """A household: devices, contract, cycle, alerts and reports hang on it."""

    name = models.CharField(_("nombre"), max_length=100)
    # Mexican zones only: their offsets are whole hours, so a local day is a whole number of hour buckets.
    time_zone = models.CharField(
        _("zona horaria"),
        max_length=40,
        default="America/Mexico_City",
        choices=[(zone, zone) for zone in MEXICAN_TIME_ZONES],
        help_text=_("Mientras nadie elija otra, es la del estado y municipio del contrato."),
    )
    # By a person; else the clock follows the place of the contract.
    is_zone_chosen = models.BooleanField(default=False, db_default=False, editable=False)
    created_at = models.DateTimeField(_("fecha de alta"), auto_now_add=True)
    members = models.ManyToManyField(User, through="Membership", related_name="homes")

    caller_role: str  # only where HomeQuerySet.shown_to read it

    objects = HomeQuerySet.as_manager()

    class Meta:
        verbose_name = _("hogar")
        verbose_name_plural = _("hogares")

    def __str__(self) -> str:
        return self.name

    @property
    def today(self) -> date:
        """The date that it is in the home's zone."""
        return timezone.localdate(timezone=ZoneInfo(self.time_zone))

    @cached_property
    def contract_versions(self) -> "list[Contract]":
        """The home's supply contract as it was over time, the oldest version first (1 query, until the home is read anew)."""
        return list(self.contracts.all())

    def refresh_from_db(self, *args: Any, **kwargs: Any) -> None:
        """Read the home anew, and forget its contract."""
        self.__dict__.pop("contract_versions", None)
        super().refresh_from_db(*args, **kwargs)

    @property
    def contract(self) -> "Contract":
        """The supply contract as it is today."""
        return self.contract_on(self.today)

    def contract_on(self, day: date) -> "Contract":
        """Return the supply contract that is in force on a local date; before the first one it is the first. Raises NoContract."""
        if not self.contract_versions:
            raise NoContract
        return next(
            (version for version in reversed(self.contract_versions) if version.valid_from <= day), self.contract_versions[0]
        )


class Membership(models.Model):
    """What a user may do in a home."""

    class Role(models.TextChoices):
        OWNER = "owner", _("dueño")
        MEMBER = "member", _("miembro")
        VIEWER = "viewer", _("invitado")

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships", verbose_name=_("usuario"))
    home = models.ForeignKey(Home, on_delete=models.CASCADE, related_name="memberships", verbose_name=_("hogar"))
    role = models.CharField(_("rol"), max_length=10, choices=Role.choices, default=Role.OWNER)

    class Meta:
        verbose_name = _("membresía")
        verbose_name_plural = _("membresías")
        constraints = [models.UniqueConstraint(fields=["user", "home"], name="accounts_membership_unique")]

    def __str__(self) -> str:
        return f"{self.user} – {self.home}"
