from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format

from accounts import services
from accounts.admin import ContractInline
from accounts.exceptions import RefreshRefused
from accounts.models import Contract, Home, Membership, PushToken, RefreshToken, Session, User
from conftest import PASSWORD

SESSIONS = "admin:accounts_session_changelist"


@pytest.fixture
def staff(db: None) -> Client:
    """An administrator's browser."""
    client = Client()
    client.force_login(User.objects.create_superuser("admin@example.com", "secreta123", name="Admin"))
    return client


@pytest.fixture
def rows(owner: User, member: User) -> dict[type, Any]:
    services.session_start(user=owner)
    services.push_token_register(session=owner.sessions.get(), token="t" * 120, device_name="Pixel 9")
    Group.objects.create(name="Soporte")
    return {model: model.objects.first() for model in (User, Home, Session, PushToken, Group)}


@pytest.mark.parametrize("model", [User, Home, Session, PushToken, Group])
def test_lists_and_pages_of_every_model_open(staff: Client, rows: dict[type, Any], model: Any) -> None:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    assert staff.get(reverse(f"{name}_changelist"), {"q": "dueno"}).status_code == 200
    assert staff.get(reverse(f"{name}_change", args=[rows[model].pk])).status_code == 200
    is_written_by_the_program_alone = model in {Session, PushToken}
    assert staff.get(reverse(f"{name}_add")).status_code == (403 if is_written_by_the_program_alone else 200)
    assert staff.get(reverse(f"{name}_delete", args=[rows[model].pk])).status_code == 200


def test_staff_see_when_a_user_of_the_app_logged_in_last(staff: Client, owner: User) -> None:
    assert owner.last_login is None
    services.session_login(email=owner.email, password=PASSWORD)
    owner.refresh_from_db()
    assert owner.last_login is not None
    page = staff.get(reverse("admin:accounts_user_change", args=[owner.pk])).content.decode()
    seen = timezone.localtime(owner.last_login, ZoneInfo(settings.ADMIN_TIME_ZONE))
    assert date_format(seen, "DATETIME_FORMAT") in page


@pytest.mark.parametrize("model", [User, Session, PushToken])
def test_no_hash_and_no_token_is_shown(staff: Client, rows: dict[type, Any], owner: User, model: Any) -> None:
    pages = [reverse(f"admin:accounts_{model._meta.model_name}_changelist")]
    pages += [reverse(f"admin:accounts_{model._meta.model_name}_change", args=[row.pk]) for row in model.objects.all()]
    secrets = [owner.password, owner.password[-10:], RefreshToken.objects.get().digest[:10], "t" * 120]
    secrets.append(PushToken.objects.get().digest[:10])
    for page in pages:
        text = staff.get(page).content.decode()
        assert not any(secret in text for secret in secrets)


def test_the_lists_are_closed_to_people_who_are_no_staff(owner: User) -> None:
    client = Client()
    client.force_login(owner)
    assert client.get(reverse(SESSIONS)).status_code == 302


def test_staff_add_a_user_by_email_and_put_them_into_a_home(staff: Client, home: Home) -> None:
    body = {"email": "Ana@EXAMPLE.com", "name": "Ana López", "usable_password": "true"}
    body |= {"password1": "secreta123", "password2": "secreta123"}
    assert staff.post(reverse("admin:accounts_user_add"), body).status_code == 302
    user = User.objects.get(email="Ana@example.com")
    assert user.check_password("secreta123")
    page = reverse("admin:accounts_user_change", args=[user.pk])
    body = {"email": user.email, "name": "Ana María", "is_active": "on", "memberships-TOTAL_FORMS": "1"}
    body |= {"memberships-INITIAL_FORMS": "0", "memberships-0-home": str(home.pk), "memberships-0-role": "member"}
    assert staff.post(page, body).status_code == 302
    user.refresh_from_db()
    assert (user.name, user.home) == ("Ana María", home)
    assert user.check_password("secreta123")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [({"email": "DUENO@example.com"}, "ya está en uso"), ({"password1": "corta12", "password2": "corta12"}, "8 caracteres")],
)
def test_a_user_that_could_not_log_in_is_refused(staff: Client, owner: User, changes: dict[str, str], sentence: str) -> None:
    body = {"email": "ana@example.com", "name": "Ana López", "usable_password": "true"}
    body |= {"password1": "secreta123", "password2": "secreta123"}
    answer = staff.post(reverse("admin:accounts_user_add"), body | changes)
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert not User.objects.filter(name="Ana López").exists()


def test_a_password_set_by_staff_ends_the_sessions(staff: Client, owner: User) -> None:
    pair = services.session_start(user=owner)
    body = {"usable_password": "true", "password1": "otra-clave-2", "password2": "otra-clave-2"}
    assert staff.post(reverse("admin:auth_user_password_change", args=[owner.pk]), body).status_code == 302
    assert User.objects.get(pk=owner.pk).check_password("otra-clave-2")
    with pytest.raises(RefreshRefused):
        services.session_refresh(token=pair.refresh_token)


def _new_home(staff: Client, **terms: str) -> dict[str, str]:
    """Return what the browser posts for a new home whose contract is left at its defaults but for these terms."""
    page = staff.get(reverse("admin:accounts_home_add"))
    (form,) = page.context["inline_admin_formsets"][0].formset.forms
    body = {"name": "Casa nueva", "time_zone": "America/Tijuana", "memberships-TOTAL_FORMS": "0"}
    body |= {"memberships-INITIAL_FORMS": "0", "contracts-TOTAL_FORMS": "1", "contracts-INITIAL_FORMS": "0"}
    initial = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    return body | {f"contracts-0-{name}": "" if value is None else str(value) for name, value in (initial | terms).items()}


def test_a_home_gets_its_contract_with_it(staff: Client) -> None:
    body = _new_home(staff, dac_region="noroeste", dap_mxn="82.00", billing_months="2")
    assert staff.post(reverse("admin:accounts_home_add"), body).status_code == 302
    contract = Home.objects.get(name="Casa nueva").contract
    assert (contract.dac_region, float(contract.dap_mxn), contract.billing_months) == ("noroeste", 82.0, 2)


def test_a_home_of_defaults_gets_its_contract_too(staff: Client) -> None:
    assert staff.post(reverse("admin:accounts_home_add"), _new_home(staff)).status_code == 302
    assert Contract.objects.filter(home__name="Casa nueva").exists()


def test_the_list_of_homes_counts_their_members(staff: Client, home: Home, member: User) -> None:
    (row,) = staff.get(reverse("admin:accounts_home_changelist")).context["cl"].result_list
    assert row.people_count == Membership.objects.filter(home=home).count() == 2


def test_revoking_sessions_asks_first(staff: Client, owner: User) -> None:
    services.session_start(user=owner)
    chosen = {"action": "revoke", ACTION_CHECKBOX_NAME: [Session.objects.get().pk]}
    answer = staff.post(reverse(SESSIONS), chosen)
    assert answer.status_code == 200
    assert "tendrán que iniciar sesión otra vez" in answer.content.decode()
    assert Session.objects.open().count() == 1
    answer = staff.post(reverse(SESSIONS), chosen | {"confirmed": "1", "select_across": "0"}, follow=True)
    assert "Se revocó 1 sesión." in answer.content.decode()
    assert Session.objects.open().count() == 0


def test_a_session_can_not_be_edited(staff: Client, owner: User) -> None:
    services.session_start(user=owner)
    page = reverse("admin:accounts_session_change", args=[Session.objects.get().pk])
    assert staff.post(page, {"revoked_at_0": "2026-01-01"}).status_code == 403


def test_a_user_is_deleted_with_sessions_and_phones(staff: Client, rows: dict[type, Any], owner: User) -> None:
    page = reverse("admin:accounts_user_delete", args=[owner.pk])
    assert staff.post(page, {"post": "yes"}).status_code == 302
    assert not User.objects.filter(pk=owner.pk).exists()


def test_staff_log_in_by_email(owner: User) -> None:
    User.objects.create_superuser("admin@example.com", "secreta123", name="Admin")
    body = {"username": "ADMIN@example.com", "password": "secreta123", "next": "/admin/"}
    assert Client().post(reverse("admin:login"), body)["Location"] == "/admin/"


def test_no_row_of_a_homes_contract_has_more_fields_than_fit_beside_each_other() -> None:
    rows = [row for _title, options in ContractInline.fieldsets for row in options["fields"]]
    assert max(len(row) for row in rows if not isinstance(row, str)) == 2
