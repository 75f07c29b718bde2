"""The admin's permissions in Spanish; Django stores their names in English."""

from typing import Any

from django import forms
from django.contrib.auth.models import Permission
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

NAMES = {
    "add": _("Puede agregar %(objects)s"),
    "change": _("Puede modificar %(objects)s"),
    "delete": _("Puede eliminar %(objects)s"),
    "view": _("Puede ver %(objects)s"),
}


def permission_name(permission: Permission) -> str:
    """Return what a permission allows, such as "Cuentas: Puede agregar contratos"."""
    model = permission.content_type.model_class()
    name = NAMES.get(permission.codename.partition("_")[0])
    if model is None or name is None:
        return str(permission)
    options = model._meta
    return f"{options.app_config.verbose_name}: {name % {'objects': options.verbose_name_plural}}"


class PermissionsField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    def label_from_instance(self, obj: Any) -> str:
        return permission_name(obj)


class PermissionsAdmin:
    """Mix into an admin whose form offers permissions."""

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest | None, **kwargs: Any) -> Any:
        if db_field.remote_field.model is Permission:
            kwargs |= {"form_class": PermissionsField, "queryset": Permission.objects.select_related("content_type")}
        return super().formfield_for_manytomany(db_field, request, **kwargs)  # type: ignore[misc]
