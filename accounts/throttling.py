"""The limit per address, as REST framework asks for it."""

import ipaddress

from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from accounts import limits


def _network(address: str) -> str:
    """Return an IPv4 address, or the /64 of an IPv6 one: that is what a household, or an attacker, has for itself."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return address if parsed.version == 4 else str(ipaddress.ip_network((parsed, 64), strict=False))


class AddressThrottle(BaseThrottle):
    """Logins and forgotten passwords together, by the caller's address as the trusted proxies report it."""

    wait_s = 0

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Count the request; False is answered with 429."""
        self.wait_s = limits.hit(limits.address_requests(), _network(self.get_ident(request) or ""))
        return self.wait_s == 0

    def wait(self) -> float:
        """Return the seconds until the next request is welcome."""
        return self.wait_s
