"""What the apps to the right may listen to, since this one does not know them."""

from django.dispatch import Signal

# Sent after the commit that deleted a device, with `device_id` (int), in the process that deleted it.
device_deleted = Signal()
