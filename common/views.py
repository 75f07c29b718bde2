"""Views that anybody may ask, and answers that say when nothing has changed."""

from typing import TypeVar

from django.utils.decorators import method_decorator
from django.views.decorators.cache import cache_control
from django.views.decorators.http import conditional_page
from django.views.decorators.vary import vary_on_headers
from rest_framework.permissions import AllowAny
from rest_framework.views import APIView

View = TypeVar("View", bound=type[APIView])
# The tag is of the finished body, so it can't be wrong; what a 304 saves is the phone's traffic and work, not the queries.
_DECORATORS = [
    cache_control(private=True, no_cache=True),
    vary_on_headers("Authorization", "Accept-Language"),
    conditional_page,
]


def conditional(view: View) -> View:
    """Give each answer of a view's GET an ETag, and answer If-None-Match with 304 and no body where it still holds.

    Only the caller may keep the answer, and has to ask each time whether it holds.
    """
    decorated: View = method_decorator(_DECORATORS, name="dispatch")(view)
    return decorated


class OpenView(APIView):
    """A call that anybody may make; an access token that has expired must not get in its way."""

    authentication_classes = []
    permission_classes = [AllowAny]
