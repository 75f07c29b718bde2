from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from accounts.models import Contract, Home, User
from accounts.services.contracts import TERMS


def _told(home: Home) -> list[tuple[str, str, User | None]]:
    """Return what happened to the contracts of a home, the newest first: kind, tariff, who."""
    records = Contract.history.filter(home_id=home.pk).select_related("history_user")
    return [(record.history_type, record.tariff, record.history_user) for record in records]


def test_a_change_in_the_app_is_kept_with_who_made_it(api: APIClient, owner: User, home: Home) -> None:
    assert api.put("/api/v1/contract", {"tariff": "1b", "valid_from": "2026-06-01"}, format="json").status_code == 200
    assert api.put("/api/v1/contract", {"tariff": "1c", "valid_from": "2026-05-01"}, format="json").status_code == 200
    assert _told(home) == [("+", "1C", owner), ("-", "1B", owner), ("+", "1B", owner), ("+", "1F", None)]


def test_a_change_in_the_home_s_own_page_is_kept_with_who_made_it(home: Home) -> None:
    admin = User.objects.create_superuser("admin@example.com", "secreta123", name="Admin")
    staff = Client()
    staff.force_login(admin)
    page = reverse("admin:accounts_home_change", args=[home.pk])
    (form,) = staff.get(page).context["inline_admin_formsets"][0].formset.initial_forms
    assert set(TERMS) <= set(form.fields)
    values = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()} | {"tariff": "1B"}
    body = {f"contracts-0-{name}": "" if value is None else str(value) for name, value in values.items()}
    body |= {"name": home.name, "time_zone": home.time_zone, "contracts-TOTAL_FORMS": "1", "contracts-INITIAL_FORMS": "1"}
    body |= {"contracts-0-id": str(home.contract.pk), "contracts-0-home": str(home.pk)}
    body |= {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
    assert staff.post(page, body).status_code == 302
    assert _told(home) == [("~", "1B", admin), ("+", "1F", None)]


def test_a_home_that_goes_leaves_its_history_readable(home: Home, owner: User) -> None:
    key, contract = home.pk, home.contract.pk
    home.delete()
    assert [record.history_type for record in Contract.history.filter(id=contract)] == ["-", "+"]
    assert Contract.history.filter(home_id=key).count() == 2
