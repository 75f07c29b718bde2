"""Forms that ask again before they save what is possible but odd."""

from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldBooleanWidget


class ConfirmationForm(forms.ModelForm):  # type: ignore[type-arg]  # takes no parameters when it runs
    """A form whose warnings have to be confirmed by a box, which is seen only with them."""

    confirm = forms.BooleanField(label=_("Es correcto: guardar así"), required=False, widget=forms.HiddenInput)

    def warnings(self) -> list[str]:
        """Return what is odd about the cleaned data, in sentences."""
        raise NotImplementedError

    def clean(self) -> dict[str, Any]:
        """Ask for a confirmation where there is something to warn of, and nothing is wrong."""
        cleaned = super().clean() or self.cleaned_data
        if not self.errors and (warnings := self.warnings()):
            self.fields["confirm"].widget = UnfoldBooleanWidget()
            if not cleaned.get("confirm"):
                self.add_error("confirm", warnings)
        return cleaned


class ConfirmationMixin:
    """Hide the confirmation box from staff who may only view."""

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_fields(request, obj)  # type: ignore[misc]
        may_save = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)  # type: ignore[attr-defined]
        return [name for name in fields if may_save or name != "confirm"]
