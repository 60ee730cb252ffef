"""`python -m lab.pulumi.aws`: serve the provider with the account of the environment, print its port."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from lab.pulumi.aws.server import serve
from lab.pulumi.standing import stand

_NEEDED = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def main(environment: Mapping[str, str] = os.environ) -> int:
    """Serve until terminated or orphaned; return 2 when the environment names no account."""
    parent = os.getppid()
    missing = [name for name in _NEEDED if not environment.get(name)]
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    if missing or not region:
        names = ", ".join([*missing, *(() if region else ("AWS_REGION",))])
        sys.stderr.write(f"{names} not set: the lab's provider calls the lab's cloud only; eval $(bbdc lab env)\n")
        return 2
    server = serve(
        endpoint=environment["AWS_ENDPOINT_URL"],
        region=region,
        access_key=environment["AWS_ACCESS_KEY_ID"],
        secret_key=environment["AWS_SECRET_ACCESS_KEY"],
    )
    stand(server.port, server.stop, parent)
    return 0


if __name__ == "__main__":
    sys.exit(main())
