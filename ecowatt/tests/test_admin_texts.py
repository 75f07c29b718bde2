"""What staff read in the administration: Spanish, tú, and no word that means nothing to them."""

import re
from pathlib import Path

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import reverse
from django.utils import translation
from django_celery_beat.models import PeriodicTask
from rest_framework import fields, serializers

from accounts.models import Session, User

USTED = re.compile(
    r"\b(?:[Uu]sted|[Aa]segúrese|[Ii]ntroduzca|[Ii]ngrese|[Ss]eleccione|[Ee]scriba|[Hh]aga|[Cc]orrija|[Ss]u contraseña)\b"
)


@pytest.fixture
def staff(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("staff@example.com", "una-clave-larga-1", name="Staff"))
    return client


def words(client: Client, page: str) -> str:
    """Return what a page shows, without its tags."""
    text = client.get(page).content.decode()
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text[text.index("</head>") :]))


@pytest.mark.parametrize("model", admin.site._registry, ids=lambda model: model._meta.label)
def test_no_list_and_no_form_says_usted(staff: Client, model: type) -> None:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"  # type: ignore[attr-defined]
    for page in ("changelist", "add"):
        assert not USTED.search(staff.get(reverse(f"{name}_{page}")).content.decode())


def test_what_a_form_refuses_is_said_with_tu(staff: Client) -> None:
    page = staff.post(
        reverse("admin:accounts_user_add"), {"email": "x", "password1": "corta", "password2": "otra"}
    ).content.decode()
    assert "Escribe un correo electrónico válido." in page
    assert "Corrige estos errores." in page
    assert not USTED.search(page)


def test_no_field_of_the_api_says_usted() -> None:
    kinds = [kind for module in (fields, serializers) for kind in vars(module).values() if isinstance(kind, type)]
    with translation.override("es-mx"):
        texts = {str(text) for kind in kinds for text in getattr(kind, "default_error_messages", {}).values()}
    assert "Este campo es obligatorio." in texts
    assert not {text for text in texts if USTED.search(text)}


def test_an_empty_list_says_whether_it_is_empty_or_filtered(staff: Client) -> None:
    page = reverse("admin:analysis_recommendation_changelist")
    assert "Aún no hay recomendaciones." in words(staff, page)
    assert "Quitar los filtros" not in words(staff, page)
    users = reverse("admin:accounts_user_changelist")
    assert "Nada coincide. Cambia la búsqueda o quita los filtros." in words(staff, f"{users}?q=nadie")
    assert "Quitar los filtros" in words(staff, f"{users}?q=nadie")


def test_a_list_counts_in_spanish(staff: Client) -> None:
    page = words(staff, f"{reverse('admin:accounts_user_changelist')}?q=staff@example.com")
    assert "1 usuario" in page
    for column in ("Fecha de alta", "Es del equipo"):
        assert column in page


def test_labels_keep_their_letters_on_a_phone(staff: Client) -> None:
    assert "/static/ecowatt/admin.css" in staff.get(reverse("admin:index")).content.decode()
    path = finders.find("ecowatt/admin.css")
    assert isinstance(path, str)
    assert "text-transform: none" in Path(path).read_text(encoding="utf-8")


def test_a_deletion_asks_in_plain_words(staff: Client) -> None:
    user = User.objects.create_user("ana@example.com", "una-clave-larga-1", name="Ana")
    page = words(staff, reverse("admin:accounts_user_delete", args=[user.pk]))
    assert "¿Quieres eliminar el registro «ana@example.com» (usuario)?" in page.replace("&quot;", '"')
    assert "Resumen" in page
    assert "Sí, eliminar" in page


def test_a_password_has_a_rule_and_no_reproach(staff: Client) -> None:
    page = words(staff, reverse("admin:accounts_user_add"))
    assert "Al menos 8 caracteres." in page
    assert "es muy corta" not in page


def test_rights_are_offered_in_spanish(staff: Client) -> None:
    group = Group.objects.create(name="Ayuda")
    pages = [("auth_group_add", []), ("auth_group_change", [group.pk]), ("accounts_user_change", [User.objects.get().pk])]
    for page in (reverse(f"admin:{name}", args=args) for name, args in pages):
        text = staff.get(page).content.decode()
        assert "Cuentas: Puede agregar contratos" in text
        assert "Tarifas: Puede ver precios" in text
        assert "Can add" not in text


def test_every_task_has_a_spanish_name(staff: Client) -> None:
    page = words(staff, reverse("admin:django_celery_beat_periodictask_changelist"))
    for name in ("Calcular la energía", "Mantener las particiones", "Marcar sin conexión los dispositivos callados"):
        assert name in page
    assert "Borrar sesiones y códigos vencidos" in page
    for task in PeriodicTask.objects.exclude(task__startswith="celery."):
        shown = words(staff, reverse("admin:django_celery_beat_periodictask_change", args=[task.pk]))
        assert task.name not in page + shown
        assert "Apágalo para suspender la tarea" in shown
        assert "Cuántas veces se ha ejecutado la tarea" in shown


def test_the_scripts_of_the_administration_speak_spanish_too(staff: Client) -> None:
    texts = staff.get(reverse("admin:jsi18n"), headers={"accept-language": "es-MX"}).content.decode()
    assert "Se pueden elegir (%s)" in texts
    assert "Disponible %s" not in texts


def test_dates_are_short_local_and_lower_case(staff: Client) -> None:
    session = Session.objects.create(user=User.objects.get())
    Session.objects.filter(pk=session.pk).update(created_at="2026-11-24T06:48:00Z")
    assert "24 nov 2026, 00:48" in words(staff, reverse("admin:accounts_session_changelist"))
