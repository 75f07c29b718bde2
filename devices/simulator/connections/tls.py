"""How a simulated device checks its server."""

import ssl


def tls_context(ssl_ca: str | None) -> ssl.SSLContext:
    """Return the context of the setting `ssl_ca`: `*` checks nothing, `ca.pem` or None trusts the system's authorities, else a file's."""
    context = ssl.create_default_context(cafile=None if ssl_ca in {None, "*", "ca.pem"} else ssl_ca)
    if ssl_ca == "*":
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
