"""Sign-in: tenants, the principals in them with their roles, and the tokens they were given.

Serves what MSAL asks for: the tenant's OpenID configuration and the token endpoint of the client credentials flow.
A token of the lab does not expire: clients measure its life by their own clock, which may stand still in a test.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from lab.azure.errors import ArmError
from lab.azure.messages import Answer, Json, Request
from lab.azure.ports import Clock
from lab.azure.rights import Rights, matches

MANAGEMENT = frozenset({"https://management.azure.com", "https://management.core.windows.net"})


@dataclass(frozen=True, slots=True)
class Principal:
    """An application that signs in with a secret.

    Attributes:
        client, tenant: its ids.
        secret: its password.
        expires: when the secret ends, in seconds since the epoch; None for never.
        actions: what its roles allow, such as ``Microsoft.Compute/*/read``; ``*`` for everything.
        scopes: ids below which they allow it.
    """

    client: str
    tenant: str
    secret: str = field(repr=False)
    expires: float | None = None
    actions: tuple[str, ...] = ("*",)
    scopes: tuple[str, ...] = ("/",)
    object: str = field(default_factory=lambda: str(uuid.uuid4()))

    def may(self, action: str, scope: str) -> bool:
        """Say whether a role allows an action on something."""
        inside = any(f"{scope.lower()}/".startswith(f"{one.lower().rstrip('/')}/") for one in self.scopes)
        return inside and matches(action, self.actions)

    def rights(self, scope: str) -> list[Rights]:
        """Return what the roles allow at a scope; nothing outside their own."""
        inside = any(f"{scope.lower()}/".startswith(f"{one.lower().rstrip('/')}/") for one in self.scopes)
        return [Rights.of(self.actions)] if inside else []


@dataclass(frozen=True, slots=True)
class Token:
    """What a principal shows, and whom it may show it to."""

    principal: Principal
    audience: str


@dataclass(slots=True)
class Identities:
    """Everybody who may sign in."""

    clock: Clock
    principals: dict[str, Principal] = field(default_factory=dict)
    tenants: set[str] = field(default_factory=set)
    tokens: dict[str, Token] = field(default_factory=dict)

    def add(self, principal: Principal) -> Principal:
        """Let a principal sign in; one of the same client id is replaced, its tokens too."""
        self.tenants.add(principal.tenant)
        self.principals[principal.client] = principal
        for text, token in self.tokens.items():
            if token.principal.client == principal.client:
                self.tokens[text] = Token(principal, token.audience)
        return principal

    def bearer(self, headers: Mapping[str, str], audiences: Iterable[str]) -> Principal:
        """Return who called.

        Raises:
            ArmError: 401 without a token that is meant for one of the audiences.
        """
        kind, _, text = headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer":
            raise ArmError(401, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
        token = self.tokens.get(text)
        if token is None:
            raise ArmError(401, "InvalidAuthenticationToken", "The access token is invalid.")
        if token.audience not in set(audiences):
            message = f"The access token has been obtained for wrong audience or resource '{token.audience}'."
            raise ArmError(401, "InvalidAuthenticationTokenAudience", message)
        return token.principal

    # --- the wire ------------------------------------------------------------------------------------------------

    def answer(self, request: Request) -> Answer | None:
        """Answer a request for sign-in; None for anything else."""
        parts = [part for part in request.path.split("/") if part]
        if request.path.endswith("/.well-known/openid-configuration"):
            return self._configuration(parts[0], request.base)
        if parts[1:] == ["oauth2", "v2.0", "token"] and request.method == "POST":
            return self._token(parts[0], request)
        if parts == ["common", "discovery", "instance"]:
            return Answer(200, {"tenant_discovery_endpoint": f"{request.base}/common/v2.0", "metadata": []})
        return None

    def _configuration(self, tenant: str, base: str) -> Answer:
        if tenant not in self.tenants:
            return _refused(400, "invalid_tenant", 90002, f"Tenant '{tenant}' not found.")
        return Answer(
            200,
            {
                "issuer": f"{base}/{tenant}/v2.0",
                "token_endpoint": f"{base}/{tenant}/oauth2/v2.0/token",
                "authorization_endpoint": f"{base}/{tenant}/oauth2/v2.0/authorize",
                "device_authorization_endpoint": f"{base}/{tenant}/oauth2/v2.0/devicecode",
            },
        )

    def _token(self, tenant: str, request: Request) -> Answer:
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        client, scope = form.get("client_id", ""), form.get("scope", "").split(" ")[0]
        principal = self.principals.get(client)
        refused = self._refusal(tenant, client, principal, form)
        if refused is not None or principal is None:
            return refused or _refused(400, "unauthorized_client", 700016, "unknown")
        if not scope.endswith("/.default"):
            return _refused(400, "invalid_scope", 70011, f"The provided value for scope {scope} is not valid.")
        text = secrets.token_urlsafe(48)
        self.tokens[text] = Token(principal, scope.removesuffix("/.default").rstrip("/"))
        return Answer(200, {"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": text})

    def _refusal(self, tenant: str, client: str, principal: Principal | None, form: Mapping[str, str]) -> Answer | None:
        if tenant not in self.tenants:
            return _refused(400, "invalid_request", 90002, f"Tenant '{tenant}' not found.")
        if principal is None or principal.tenant != tenant:
            message = f"Application with identifier '{client}' was not found in the directory '{tenant}'."
            return _refused(400, "unauthorized_client", 700016, message)
        if form.get("grant_type") != "client_credentials":
            return _refused(400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type.")
        if not secrets.compare_digest(form.get("client_secret", ""), principal.secret):
            return _refused(401, "invalid_client", 7000215, "Invalid client secret provided.")
        if principal.expires is not None and self.clock.now() >= principal.expires:
            return _refused(
                401, "invalid_client", 7000222, f"The provided client secret keys for app '{client}' are expired."
            )
        return None


def _refused(status: int, error: str, code: int, message: str) -> Answer:
    body: Json = {
        "error": error,
        "error_description": f"AADSTS{code}: {message}",
        "error_codes": [code],
        "trace_id": str(uuid.uuid4()),
        "correlation_id": str(uuid.uuid4()),
    }
    return Answer(status, body)
