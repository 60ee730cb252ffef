"""Roll the estate that the environment leads to, straight from Python, and print what it took."""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any

from automation.bootstrap import calls
from automation.rolling import Rolling, estate_of

PACE = {"poll": 0.5, "soak": 0.0}
"""Look often, as befits nodes that boot in seconds, and do not soak: that is waiting on purpose."""


def drive(target: str) -> dict[str, Any]:
    """Roll to ``target``; return seconds, calls and memory of this process."""
    estate = estate_of(PACE)
    with Rolling(estate, owns_model=True) as rolling:
        begun = time.monotonic()
        outcome = rolling.finish(rolling.start(target), target)
        seconds = time.monotonic() - begun
    made = calls(estate.world)
    bitbucket = made.get("bitbucket", 0) + made.get("nodes", 0)
    return {
        "ending": str(outcome.ending),
        "seconds": seconds,
        "bitbucket": bitbucket,
        "cloud": sum(made.values()) - bitbucket,
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


if __name__ == "__main__":
    print(json.dumps(drive(sys.argv[1])))
