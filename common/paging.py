"""Lists that are answered page by page, newest first."""

from typing import Any, NamedTuple, TypeVar

from django.db.models import Model, QuerySet
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.request import Request

from common.fields import sentences
from common.ids import row_id
from common.request_serializers import validated_query

PAGE, LONGEST_PAGE = 50, 200
PAGE_SIZE = _("Cada página tiene de 1 a 200 elementos.")

Row = TypeVar("Row", bound=Model)


class PageQuerySerializer(serializers.Serializer[Any]):
    """Which page of a list."""

    before = serializers.CharField(required=False, help_text="`next` of the page before.")
    limit = serializers.IntegerField(min_value=1, max_value=LONGEST_PAGE, default=PAGE, error_messages=sentences(wrong=PAGE_SIZE))


class Page(NamedTuple):
    """Some rows, and `before` of the next page, None on the last."""

    rows: list[Any]
    next: str | None


def page_of(rows: QuerySet[Row], request: Request) -> Page:
    """Return the page that the request's query asks for, of rows in descending order of their ids (1 query). Raises ValidationError."""
    asked = validated_query(PageQuerySerializer, request)
    if "before" in asked:
        rows = rows.filter(pk__lt=row_id(asked["before"]))
    limit = asked["limit"]
    found = list(rows.order_by("-pk")[: limit + 1])
    return Page(found[:limit], str(found[limit - 1].pk) if len(found) > limit else None)
