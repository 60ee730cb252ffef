"""`python -m lab.pulumi.azure`: serve the provider with the account of the environment, print its port."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from lab.pulumi.azure.client import Account
from lab.pulumi.azure.server import serve
from lab.pulumi.standing import stand

PARTS = {
    "AZURE_RESOURCE_MANAGER_ENDPOINT": "endpoint",
    "AZURE_AUTHORITY_HOST": "authority",
    "AZURE_TENANT_ID": "tenant",
    "AZURE_CLIENT_ID": "client",
    "AZURE_CLIENT_SECRET": "secret",
    "AZURE_SUBSCRIPTION_ID": "subscription",
}
"""Variables that have to be set -> parts of an account."""
OPTIONAL = {"REQUESTS_CA_BUNDLE": "ca", "ARM_LOCATION_NAME": "location", "AZURE_CLIENT_OBJECT_ID": "object_id"}
"""Variables that may be."""


def main(environment: Mapping[str, str] = os.environ) -> int:
    """Serve until terminated or orphaned; return 2 when the environment names no account."""
    parent = os.getppid()
    missing = [name for name in PARTS if not environment.get(name)]
    if missing:
        names = ", ".join(missing)
        sys.stderr.write(f"{names} not set: the lab's provider calls the lab's cloud only; eval $(bbdc lab env)\n")
        return 2
    given = {part: environment[name] for name, part in (PARTS | OPTIONAL).items() if environment.get(name)}
    server = serve(Account(**given))
    stand(server.port, server.stop, parent)
    return 0


if __name__ == "__main__":
    sys.exit(main())
