"""Network addresses of callers: which one is the caller's, and what of it stands for a household."""

import ipaddress


def client_address(peer: str | None, forwarded: str, proxy_count: int) -> str | None:
    """Return the caller's address behind so many proxies of ours, each of which adds one to X-Forwarded-For; None if unknown.

    The same rule as REST framework's NUM_PROXIES, but never believing a header that no proxy of ours has written.
    """
    hops = [hop.strip() for hop in forwarded.split(",")] if forwarded and proxy_count else []
    return hops[-min(proxy_count, len(hops))] if hops else peer


def network(address: str, ipv4_bits: int = 32) -> str:
    """Return an IPv4 address, or the /64 of an IPv6 one: that is what a household, or an attacker, has for itself.

    With fewer bits it is the network of the IPv4 address, which its owner may change within.
    """
    parsed = _parsed(address)
    if parsed is None:
        return address
    bits = ipv4_bits if parsed.version == 4 else 64
    return str(parsed) if bits == 32 else str(ipaddress.ip_network((parsed, bits), strict=False))


def household_of(address: str | None) -> str | None:
    """Return the network of a public address; None for a private one, which says nothing about whose it is, or for none."""
    parsed = _parsed(address or "")
    return network(str(parsed)) if parsed and parsed.is_global else None


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read an address, an IPv4 one that comes as IPv6 (::ffff:1.2.3.4) as what it is; None if it is none."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return mapped or parsed
