"""Rows whose history staff can read: who changed what, when, and from what to what."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Field
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from simple_history.admin import SimpleHistoryAdmin
from simple_history.template_utils import HistoricalRecordContextHelper
from unfold.admin import ModelAdmin


def in_words(field: "Field[Any, Any]", value: Any) -> Any:
    """Return a field's value as staff read it: the label of a choice, a dash for nothing."""
    return "–" if value in (None, "") else dict(field.flatchoices).get(value, value)


class FieldChange(HistoricalRecordContextHelper):
    """Old and new values in the words of the form."""

    def prepare_delta_change_value(self, change: Any, value: Any) -> Any:
        return in_words(self.model._meta.get_field(change.field), value)


class HistoryAdmin(SimpleHistoryAdmin, ModelAdmin):
    """A model with a page of its history. A version is brought back by those who may change the row."""

    def get_historical_record_context_helper(self, request: HttpRequest, historical_record: Any) -> FieldChange:
        return FieldChange(self.model, historical_record)

    def set_history_delta_changes(
        self, request: HttpRequest, historical_records: Any, foreign_keys_are_objs: bool = True
    ) -> None:
        """Add the changes, and name the author and the reason where a row has none: the page would say "None"."""
        super().set_history_delta_changes(request, historical_records, foreign_keys_are_objs)
        for record in historical_records:
            record.history_change_reason = record.history_change_reason or "–"
            if record.history_user_id is None:
                record._meta.get_field("history_user").set_cached_value(record, _("Sistema"))

    def history_form_view(
        self, request: HttpRequest, object_id: str, version_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show a version; write it again only for whom the form would let write, which the library does not ask."""
        if request.method == "POST" and not self.has_change_permission(request):
            raise PermissionDenied
        return super().history_form_view(request, object_id, version_id, extra_context)  # type: ignore[no-any-return]
