import re
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from accounts.models import User

ENGLISH = re.compile(r"Type to search|Welcome back|Return to site|Select (record|action|all rows)|Task Name|Search apps|Run the")


def browser(**rights: Any) -> Client:
    client = Client()
    client.force_login(User.objects.create_user("staff@example.com", "una-clave-larga-1", name="Staff", is_staff=True, **rights))
    return client


@pytest.fixture
def staff(db: None) -> Client:
    return browser(is_superuser=True)


@pytest.mark.parametrize("model", admin.site._registry, ids=lambda model: model._meta.label)
def test_the_list_and_the_form_of_every_model_open_in_spanish(staff: Client, model: Any) -> None:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    answers = [staff.get(reverse(f"{name}_{page}")) for page in ("changelist", "add")]
    assert [answer.status_code for answer in answers] in ([200, 200], [200, 403])
    assert not ENGLISH.search(answers[0].content.decode())


@pytest.mark.parametrize("model", [PeriodicTask, CrontabSchedule, IntervalSchedule])
def test_every_page_of_the_schedule_opens(staff: Client, model: Any) -> None:
    row = model.objects.first() or model.objects.create()
    name = f"admin:django_celery_beat_{model._meta.model_name}"
    assert staff.get(reverse(f"{name}_changelist"), {"q": "a"}).status_code == 200
    page = staff.get(reverse(f"{name}_change", args=[row.pk]))
    assert page.status_code == 200
    assert not ENGLISH.search(page.content.decode())


def test_staff_change_when_a_task_runs_and_can_not_lose_it(staff: Client) -> None:
    task = PeriodicTask.objects.get(task="telemetry.tasks.rollup")
    slower = IntervalSchedule.objects.create(every=30, period="seconds")
    page = reverse("admin:django_celery_beat_periodictask_change", args=[task.pk])
    assert staff.post(page, {"enabled": "on", "interval": slower.pk, "crontab": ""}).status_code == 302
    task.refresh_from_db()
    assert (task.interval, task.task) == (slower, "telemetry.tasks.rollup")
    delete = reverse("admin:django_celery_beat_periodictask_delete", args=[task.pk])
    assert staff.post(delete, {"post": "yes"}).status_code == 403


def test_a_task_needs_one_schedule_and_no_more(staff: Client) -> None:
    task = PeriodicTask.objects.get(task="telemetry.tasks.rollup")
    page = reverse("admin:django_celery_beat_periodictask_change", args=[task.pk])
    assert staff.post(page, {"enabled": "on", "interval": "", "crontab": ""}).status_code == 200
    crontab = CrontabSchedule.objects.first() or CrontabSchedule.objects.create()
    both = {"enabled": "on", "interval": task.interval_id, "crontab": crontab.pk}
    assert staff.post(page, both).status_code == 200


def test_the_sidebar_leads_from_people_to_sessions_and_every_link_opens(staff: Client) -> None:
    groups = staff.get(reverse("admin:index")).context["sidebar_navigation"]
    assert [str(group["title"]) for group in groups] == [
        *("Personas y hogares", "Medición", "Precios y consejos", "Programación", "Sesiones")
    ]
    links = [item["link"] for group in groups for item in group["items"]]
    assert [staff.get(link).status_code for link in links] == [200] * len(links)
    shown = {f"/admin/{model._meta.app_label}/{model._meta.model_name}/" for model in admin.site._registry}
    assert set(links) == shown


def test_the_sidebar_offers_only_what_one_may_see(db: None) -> None:
    client = browser()
    User.objects.get().user_permissions.add(Permission.objects.get(codename="view_device"))
    (group,) = client.get(reverse("admin:index")).context["sidebar_navigation"]
    assert [item["link"] for item in group["items"]] == ["/admin/devices/device/"]


def test_the_login_page_is_spanish_and_leads_to_the_administration(db: None) -> None:
    User.objects.create_superuser("admin@example.com", "secreta123", name="Admin")
    page = Client().get(reverse("admin:login")).content.decode()
    assert "Te damos la bienvenida a" in page
    assert not ENGLISH.search(page)
    answer = Client().post(reverse("admin:login"), {"username": "admin@example.com", "password": "secreta123"})
    assert answer["Location"] == "/admin/"
