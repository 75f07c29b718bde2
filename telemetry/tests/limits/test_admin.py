"""Limits for staff."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from devices.models import Channel, Device
from telemetry.models import Limit

pytestmark = pytest.mark.django_db


def test_staff_see_what_a_limit_does_and_may_only_activate_it(admin_user: User, client: Client, meter: Device) -> None:
    client.force_login(admin_user)
    now = timezone.now()
    limit = Limit.objects.create(device=meter, channel=0, power_w=1500, minutes=10, passed_at=now)
    Channel.objects.create(device=meter, number=0, name="Refrigerador", is_essential=True)
    page = reverse("admin:telemetry_limit_change", args=[limit.pk])
    assert "1500 W, 10 min" in client.get(reverse("admin:telemetry_limit_changelist"), {"q": "Cocina"}).content.decode()
    assert client.get(page).context["adminform"].form.fields.keys() == {"is_active"}
    assert client.post(page, {"is_active": "on", "power_w": "1"}).status_code == 302
    limit.refresh_from_db()
    assert (limit.is_active, limit.power_w, limit.passed_at) == (True, 1500, now)
    assert client.get(reverse("admin:telemetry_limit_add")).status_code == 403
