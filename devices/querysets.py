"""Reads of the devices in domain words, and who may see them."""

from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models import BigIntegerField, F, Subquery
from django.db.models.expressions import RawSQL

from accounts.models import Home, User

if TYPE_CHECKING:
    from devices.models import Device


# As text: the app lists devices all the time, and a subquery of the ORM takes longer to write than to run.
FIRST_OWNER = """
SELECT user_id FROM accounts_membership WHERE home_id = devices_device.home_id AND role = 'owner' ORDER BY id LIMIT 1
"""


class DeviceQuerySet(models.QuerySet["Device"]):
    """Devices; every read for a user goes through `visible_to`."""

    def in_use(self) -> Self:
        """Keep the devices that their homes have now."""
        return self.filter(retired_at__isnull=True)

    def retired(self) -> Self:
        """Keep the devices that their homes have deleted; what was measured with them stays the home's."""
        return self.filter(retired_at__isnull=False)

    def visible_to(self, user: User) -> Self:
        """Keep devices of homes that the user belongs to."""
        return self.filter(home__memberships__user=user)

    def with_role_of(self, user: User) -> Self:
        """Keep what the user sees, and add the user's role in each device's home as `caller_role`."""
        return self.visible_to(user).annotate(caller_role=F("home__memberships__role"))

    def with_owner(self) -> Self:
        """Add the id of the home's first owner as `owner_id`, None where it has none."""
        return self.annotate(owner_id=RawSQL(FIRST_OWNER, (), output_field=BigIntegerField()))  # noqa: S611

    def in_home_of(self, user: User) -> Self:
        """Keep devices of the one home that the app shows its user; none for a user without a home."""
        return self.filter(home_id=Subquery(Home.objects.shown_to(user).values("pk")))


_Manager = models.Manager.from_queryset(DeviceQuerySet)


class DevicesInUse(_Manager["Device"]):
    """The devices that homes have now, without those that they have deleted."""

    def get_queryset(self) -> DeviceQuerySet:
        return DeviceQuerySet(self.model, using=self._db).in_use()
