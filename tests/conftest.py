"""What all tests share: which of them need a server of their own."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parent
SERVERS = (
    "adapters/aws",
    "contracts",
    "lab/aws",
    "lab/azure",
    "lab/pulumi",
    "lab/pulumi_aws",
    "lab/pulumi_azure",
    "lab/balancer",
    "lab/traffic/test_run.py",
    "lab/traffic/test_commands.py",
)
"""Rooms whose tests talk real HTTP or gRPC to a server in the process: too slow for the quick suite.

It also keeps the property tests apart from servers' threads: hypothesis objects to whoever uses the global random
generator while it draws.
"""


def pytest_collection_modifyitems(items):
    rooms = [ROOT / name for name in SERVERS]
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            continue
        if any(item.path == room or room in item.path.parents for room in rooms):
            item.add_marker(pytest.mark.lab)
