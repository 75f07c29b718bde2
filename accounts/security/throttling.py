"""The limit per address, as REST framework asks for it, and where a caller is."""

from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from accounts.security import rate_limits as limits
from common.client_addresses import network

NEIGHBOURHOOD_BITS = 24  # providers hand out IPv4 addresses anew, and the next one is near


def address(request: HttpRequest | Request) -> str:
    """Return the caller's address as the trusted proxies report it, or an IPv6 caller's network."""
    return network(BaseThrottle().get_ident(request) or "")  # type: ignore[arg-type]


def neighbourhood(request: HttpRequest | Request | None) -> str:
    """Return the caller's network, the /24 or the /64; an empty one for a call that comes from nowhere."""
    return network(address(request), NEIGHBOURHOOD_BITS) if request is not None else ""


class AddressThrottle(BaseThrottle):
    """What one address asks for without being logged in, all together."""

    wait_s = 0

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Count the request; False is answered with 429."""
        self.wait_s = limits.hit(limits.address_requests(), address(request))
        return self.wait_s == 0

    def wait(self) -> float:
        """Return the seconds until the next request is welcome."""
        return self.wait_s
