"""`python -m lab.pulumi.aws`: serve the provider with the account of the environment, print its port."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Mapping

from lab.pulumi.aws.server import serve

_LOOK_SECONDS = 0.5
"""How often it looks whether the process that started it still lives."""
_NEEDED = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def main(environment: Mapping[str, str] = os.environ) -> int:
    """Serve until terminated or orphaned; return 2 when the environment names no account."""
    missing = [name for name in _NEEDED if not environment.get(name)]
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    if missing or not region:
        names = ", ".join([*missing, *(() if region else ("AWS_REGION",))])
        sys.stderr.write(f"{names} not set: the lab's provider calls the lab's cloud only; eval $(bbdc lab env)\n")
        return 2
    parent = os.getppid()
    server = serve(
        endpoint=environment["AWS_ENDPOINT_URL"],
        region=region,
        access_key=environment["AWS_ACCESS_KEY_ID"],
        secret_key=environment["AWS_SECRET_ACCESS_KEY"],
    )
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    while not ended.wait(_LOOK_SECONDS) and os.getppid() == parent:
        pass
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
