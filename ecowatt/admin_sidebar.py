"""What the administration's sidebar offers, in the order of what staff do."""

from typing import Any, NamedTuple

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class Entry(NamedTuple):
    """A link to the list of a model (`app.model`), with a Material symbol."""

    title: Promise
    model: str
    icon: str


GROUPS: tuple[tuple[Promise, tuple[Entry, ...]], ...] = (
    (
        _("Personas y hogares"),
        (
            Entry(_("Usuarios"), "accounts.user", "person"),
            Entry(_("Hogares"), "accounts.home", "home"),
            Entry(_("Contratos"), "accounts.contract", "contract"),
            Entry(_("Grupos"), "auth.group", "group"),
        ),
    ),
    (
        _("Medición"),
        (
            Entry(_("Dispositivos"), "devices.device", "electric_meter"),
            Entry(_("Horarios de los circuitos"), "devices.schedule", "alarm"),
            Entry(_("Comandos"), "devices.command", "switch"),
            Entry(_("Sucesos"), "devices.deviceevent", "notifications"),
            Entry(_("Límites"), "telemetry.limit", "power_settings_new"),
            Entry(_("Lecturas descartadas"), "telemetry.discardedspan", "delete_history"),
        ),
    ),
    (
        _("Precios y consejos"),
        (
            Entry(_("Precios de CFE"), "tariffs.price", "payments"),
            Entry(_("Esquemas estatales"), "tariffs.scheme", "map"),
            Entry(_("Recibos"), "tariffs.paperbill", "receipt_long"),
            Entry(_("Recomendaciones"), "analysis.recommendation", "lightbulb"),
        ),
    ),
    (
        _("Programación"),
        (
            Entry(_("Tareas periódicas"), "django_celery_beat.periodictask", "schedule"),
            Entry(_("Intervalos"), "django_celery_beat.intervalschedule", "timer"),
            Entry(_("Horarios"), "django_celery_beat.crontabschedule", "calendar_month"),
        ),
    ),
    (
        _("Sesiones"),
        (
            Entry(_("Sesiones"), "accounts.session", "key"),
            Entry(_("Teléfonos"), "accounts.pushtoken", "smartphone"),
        ),
    ),
)


def _may_view(request: HttpRequest, entry: Entry) -> bool:
    app, model = entry.model.split(".")
    return any(request.user.has_perm(f"{app}.{right}_{model}") for right in ("view", "change"))


def _item(entry: Entry) -> dict[str, Any]:
    link = reverse(f"admin:{entry.model.replace('.', '_')}_changelist")
    return {"title": entry.title, "icon": entry.icon, "link": link}


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the groups in unfold's form, without what the caller may not see."""
    groups = [(title, [_item(entry) for entry in entries if _may_view(request, entry)]) for title, entries in GROUPS]
    return [{"title": title, "separator": True, "items": items} for title, items in groups if items]
