"""Stickiness by cookie, as an Application Load Balancer and an Application Gateway do it.

ALB: when a target sets the application's cookie, the balancer adds its own, AWSALBAPP-0, which names the target and is
bound to the value of the application's cookie. A request must carry both to come back to that target.

The gateway: every client gets ApplicationGatewayAffinity with its first answer, and comes back with that alone.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable


def read_cookies(header: bytes | None) -> dict[bytes, bytes]:
    """Parse a Cookie header into names and values."""
    pairs = (part.strip().partition(b"=") for part in (header or b"").replace(b",", b";").split(b";"))
    return {name: value for name, _, value in pairs if name}


def value_set(set_cookies: Iterable[bytes], name: bytes) -> bytes | None:
    """Return the value that a response gives to a cookie, None when it leaves it alone."""
    for line in set_cookies:
        key, _, value = line.partition(b";")[0].partition(b"=")
        if key.strip() == name:
            return value.strip()
    return None


class Seal:
    """Makes and reads the balancer's own cookie."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def issue(self, target: str, application_value: bytes, expires: float) -> bytes:
        """Return the cookie value that binds a session to a target until ``expires`` (Unix seconds)."""
        claim = b"%s.%d" % (target.encode(), int(expires))
        return claim + b"." + self._mac(claim, application_value)

    def read(self, value: bytes, application_value: bytes, now: float) -> str | None:
        """Return the target that a cookie names; None when it is forged, expired or of another session."""
        claim, _, mac = value.rpartition(b".")
        target, _, expires = claim.rpartition(b".")
        if not hmac.compare_digest(mac, self._mac(claim, application_value)) or int(expires) <= now:
            return None
        return target.decode()

    def _mac(self, claim: bytes, application_value: bytes) -> bytes:
        return hmac.digest(self._key, claim + b"|" + application_value, hashlib.sha256).hex().encode()
