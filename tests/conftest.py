"""What all tests share: which of them need a server of their own."""

import functools
import gc
import os
import signal
from pathlib import Path

import pytest
from botocore.loaders import JSONFileLoader

ROOT = Path(__file__).parent
SERVERS = (
    "adapters/aws",
    "adapters/azure",
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

ROOMS = [ROOT / name for name in SERVERS]
HALVES = ("lab", "not lab")
"""What CI asks for, each in a run of its own."""
LONGEST = (
    "e2e/test_backups.py",
    "e2e/test_azure.py",
    "e2e/test_killed_pulumi_up.py",
    "lab/pulumi_aws/test_estate.py",
    "lab/pulumi_azure/test_estate.py",
    "e2e/test_azure_schedule.py",
    "lab/pulumi_azure/test_snapshots_stack.py",
    "lab/test_cli_up_azure.py",
    "lab/test_daemon_azure.py",
    "lab/pulumi/test_processes.py",
    "lab/pulumi/test_conformance.py",
    "contracts/test_stacks.py",
    "contracts/test_program.py",
    "lab/test_daemon.py",
    "lab/pulumi/test_steps.py",
    "lab/test_cli_up.py",
    "lab/bitbucket/test_node_life.py",
    "lab/traffic/test_run.py",
    "runs/test_kill.py",
    "lab/pulumi_aws/test_snapshots_stack.py",
    "components/test_node_script.py",
    "simulation/test_crash_at_every_act.py",
    "simulation/test_random_rolls.py",
    "simulation/test_backup_crash_at_every_act.py",
    "cli/test_roll.py",
    "runs/test_runs.py",
    "simulation/test_random_backups.py",
    "components/test_azure_cluster.py",
    "core/test_backup_retention.py",
    "components/test_cluster.py",
    "lab/data/test_history.py",
    "simulation/test_backup_signals.py",
    "cli/test_upgrade_backup.py",
    "lab/bitbucket/test_latch_property.py",
)
"""Modules of more than ten seconds, the longest of each half first: the last one would keep others waiting."""
COLLECT_AFTER = (50_000, 10, 10)
"""When Python looks for garbage: its own 700 objects cost a third of the time of tests that talk to a whole cloud."""
GROWN = 200 * 2**20
"""Bytes that a process may grow by before all garbage is looked for: a client of a cloud is few objects to Python, and
megabytes of certificates. Without it a worker grows to six gigabytes."""
_resident = [0]


def pytest_configure():
    gc.set_threshold(*COLLECT_AFTER)
    _hear_signals()


def pytest_runtest_teardown():
    if _memory() - _resident[0] > GROWN:
        gc.collect()
        _resident[0] = _memory()


def _memory():
    """Return how many bytes of memory this process occupies."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _hear_signals():
    """Hear signals also where the suite runs in the background of a shell, which lets its children ignore them."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for ignored in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(ignored) is signal.SIG_IGN:
            signal.signal(ignored, signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def models():
    """Read the declaration of each AWS service once, not once for each session that a test makes."""
    read = functools.cache(JSONFileLoader().load_file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", lambda _loader, path: read(path))
        yield


def _has_server(path):
    return any(path == room or room in path.parents for room in ROOMS)


def pytest_ignore_collect(collection_path, config):
    """Import only what has tests of the wanted half: the libraries of two clouds take longer than many of the tests."""
    half = config.option.markexpr
    if half not in HALVES or collection_path.name == "__pycache__":
        return None
    if collection_path.is_dir():
        return None if any(_may_have(half, file) for file in collection_path.rglob("test_*.py")) else True
    is_test = collection_path.suffix == ".py" and collection_path.name.startswith("test_")
    return True if is_test and not _may_have(half, collection_path) else None


@functools.cache
def _may_have(half, file):
    """Tell from a module's text whether it may have tests of that half; it may turn out to have none."""
    text, room = file.read_text(), _has_server(file)
    if half == "lab":
        return room or "mark.lab" in text
    return "hypothesis" in text if room else "\npytestmark = pytest.mark.lab\n" not in text


def pytest_collection_modifyitems(items):
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            continue
        if _has_server(item.path):
            item.add_marker(pytest.mark.lab)
    order = {ROOT / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path, len(order)))
