"""What is still to be done at the broker."""

from django.db import models
from django.utils import timezone


class BrokerAccountChange(models.Model):
    """A device whose account at the broker may not be as it should be, from when it changed until a task has seen to it.

    The device may be gone: then its account is to go.
    """

    hardware_id = models.CharField(max_length=255, unique=True)
    asked_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["asked_at"]

    def __str__(self) -> str:
        return self.hardware_id
