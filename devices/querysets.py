"""Reads of the devices in domain words, and who may see them."""

from typing import Self

from django.db import models

from accounts.models import Home, User


class DeviceQuerySet(models.QuerySet["Device"]):
    """Devices; every read for a user goes through `visible_to`."""

    def visible_to(self, user: User) -> Self:
        """Keep devices of homes that the user belongs to."""
        return self.filter(home__memberships__user=user)

    def counting_for(self, home: Home) -> Self:
        """Keep the devices whose energy makes the home's total: its mains where it has some, else all."""
        mine = self.filter(home=home)
        return mine.filter(is_main=True) if mine.filter(is_main=True).exists() else mine
