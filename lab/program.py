"""Build the lab's estate as anybody would: with the project's own Pulumi program, through the CLI on PATH."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from automation.ports.errors import Unexpected
from lab.environment import STACK, process_environment, search_path, stack_config
from lab.pulumi.shim import write_shim
from lab.start import ROOT, ask
from lab.state import Options, Record

PROJECT = "bitbucket-dc"
PATIENCE = 300.0
Say = Callable[[str], None]


def config_of(record: Record, options: Options) -> dict[str, Any]:
    """Return the stack's configuration: the defaults, with what makes a lab a lab."""
    return {
        "cloud": options.cloud,
        "name": options.cluster,
        "version": options.version,
        "nodes": options.nodes,
        "vpcCidr": f"127.{record.octet}.0.0/16",
        "insecureHttp": True,
        "baseUrl": record.url,
        "sshBaseUrl": f"ssh://git@127.0.0.1:{record.ssh}",
        "archiveUrl": record.archive_url,
        "deregistrationDelay": 4,
        "sshDeregistrationDelay": 4,
        "healthCheckInterval": 5,
        "soak": 1,
        "roll": {"poll": 1},
        "protectData": False,
    }


def provider_config(record: Record) -> dict[str, str]:
    """Return the configuration of the cloud's provider: where the estate is to be."""
    if record.cloud == "aws":
        return {"aws:region": record.variables["AWS_REGION"]}
    return {
        "azure-native:location": record.variables["ARM_LOCATION_NAME"],
        "azure-native:subscriptionId": record.variables["AZURE_SUBSCRIPTION_ID"],
    }


def prepare(directory: Path, record: Record, options: Options) -> None:
    """Write the stack's config, the shim where it is needed, and make the stack."""
    (directory / "pulumi").mkdir(exist_ok=True, mode=0o700)
    if search_path(directory) is not None:
        write_shim(directory / "bin", sys.executable)
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text()).get("config", {})
    known = {name.rpartition(":")[2] for name in declared}
    values = {f"{PROJECT}:{key}": value for key, value in config_of(record, options).items() if key in known}
    values |= provider_config(record)
    _make_stack(directory, record)
    file = stack_config(directory)
    document = yaml.safe_load(file.read_text()) or {} if file.exists() else {}
    file.write_text(yaml.safe_dump({**document, "config": values}, sort_keys=False))
    file.chmod(0o600)


def build(directory: Path, record: Record, say: Say) -> None:
    """Run ``pulumi up`` in the repository root. Raises Unexpected with its last words when it fails."""
    say("pulumi up: building the estate")
    pulumi(directory, record, "up", "--yes", "--skip-preview", "--non-interactive")


def pulumi(directory: Path, record: Record, *arguments: str, where: Path = ROOT) -> str:
    """Run the Pulumi CLI on PATH with the lab's environment; return its output."""
    environment = dict(process_environment(directory, record))
    program = shutil.which("pulumi", path=environment["PATH"])
    if program is None:
        raise Unexpected("there is no pulumi: neither the genuine CLI on PATH nor the lab's own")
    done = subprocess.run(
        [program, *arguments], cwd=where, env=environment, stdin=subprocess.DEVNULL, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    (directory / "log" / "pulumi.log").open("a").write(done.stdout)
    if done.returncode != 0:
        words = "\n".join(done.stdout.strip().splitlines()[-25:])
        raise Unexpected(f"`pulumi {arguments[0]}` ended with code {done.returncode}:\n{words}")
    return done.stdout


def wait_until_serving(record: Record, options: Options, say: Say) -> dict[str, Any]:
    """Wait until every node is ACTIVE and every target healthy; return the lab's status.

    Raises:
        Unexpected: that did not come true in time.
    """
    deadline, told = time.monotonic() + PATIENCE, ""
    while time.monotonic() < deadline:
        status = ask(record, "GET", "/status")
        word = progress(status, options.nodes)
        if word == "":
            return status
        if word != told:
            say(word)
            told = word
        time.sleep(0.25)
    raise Unexpected(f"the cluster does not serve after {PATIENCE:.0f} s: {told}")


def progress(status: dict[str, Any], nodes: int) -> str:
    """Say what is missing until the cluster serves; empty when nothing is."""
    active = sum(machine["state"] == "ACTIVE" for machine in status["machines"])
    healthy = sum(target["state"] == "healthy" for target in status["targets"])
    groups = {target["group"] for target in status["targets"]}
    if active >= nodes and groups and healthy == len(status["targets"]) == nodes * len(groups):
        return ""
    return f"{active} of {nodes} nodes ACTIVE, {healthy} of {nodes * max(1, len(groups))} targets healthy"


def _make_stack(directory: Path, record: Record) -> None:
    """Make the stack from a copy of Pulumi.yaml, because ``stack init`` writes beside it; keep what it wrote."""
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "Pulumi.yaml").write_text(f"name: {PROJECT}\nruntime: python\n")
        pulumi(directory, record, "stack", "init", STACK, "--non-interactive", where=Path(place))
        written = Path(place) / f"Pulumi.{STACK}.yaml"
        if written.exists():
            shutil.move(written, stack_config(directory))
