"""The limit per address, as REST framework asks for it."""

from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from accounts import limits
from accounts.addresses import network


class AddressThrottle(BaseThrottle):
    """Logins and forgotten passwords together, by the caller's address as the trusted proxies report it."""

    wait_s = 0

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Count the request; False is answered with 429."""
        self.wait_s = limits.hit(limits.address_requests(), network(self.get_ident(request) or ""))
        return self.wait_s == 0

    def wait(self) -> float:
        """Return the seconds until the next request is welcome."""
        return self.wait_s
