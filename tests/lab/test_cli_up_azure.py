"""``bbdc lab up --cloud azure`` by the whole way: daemon, the estate's own program, nodes, balancer; and down."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.lab.test_cli_up import ROOT, bbdc, tree

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Any]]]:
    lab = tmp_path_factory.mktemp("azure") / "lab"
    before = tree()
    try:
        told = json.loads(bbdc(lab, "up", "--cloud", "azure", "--nodes", "2", "--json"))
        assert tree() == before
        yield lab, told
    finally:
        bbdc(lab, "down")
    assert not [path.name for path in lab.iterdir() if path.name != ".lock"]


def environment(lab: Path) -> dict[str, str]:
    """Return what a shell has after ``eval "$(bbdc lab env)"``."""
    lines = bbdc(lab, "env").splitlines()
    values = dict(shlex.split(line.removeprefix("export "))[0].split("=", 1) for line in lines)
    return {"HOME": str(lab), "PATH": os.environ["PATH"]} | values


def pulumi(lab: Path, *arguments: str) -> str:
    values = environment(lab)
    done = subprocess.run(
        ["pulumi", *arguments, "--non-interactive"], cwd=ROOT, env=values, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_serves_over_the_gateway_and_the_balancer(built: tuple[Path, dict[str, Any]]) -> None:
    lab, told = built
    assert (told["built"], told["cloud"], told["cluster"]["state"]) == (True, "azure", "STABLE")
    nodes = [machine for machine in told["machines"] if machine["role"] == "node"]
    assert [(node["version"], node["state"]) for node in nodes] == [("7.9.0", "ACTIVE")] * 2
    assert sorted((target["group"], target["state"]) for target in told["targets"]) == [
        ("http", "healthy"), ("http", "healthy"), ("ssh", "healthy"), ("ssh", "healthy"),
    ]  # fmt: skip
    values = environment(lab)
    login = (values["BITBUCKET_USER"], values["BITBUCKET_PASSWORD"])
    assert httpx.get(f"{told['url']}/rest/api/latest/repos", params={"limit": 100}, auth=login).json()["size"] >= 20
    assert json.loads(bbdc(lab, "up", "--cloud", "azure", "--json"))["built"] is False
    assert values["AZURE_CLIENT_SECRET"] not in bbdc(lab, "status", "--json")
    assert json.loads(bbdc(lab, "status", "--json"))["invariants"]["breaches"] == []


def test_another_run_takes_nobody_out_of_the_pools(built: tuple[Path, dict[str, Any]]) -> None:
    """The addresses came from the automation: neither a run of the program nor a changed gateway drops them."""
    lab, told = built
    pulumi(lab, "config", "set", "bitbucket-dc:healthCheckInterval", "6")
    assert "network:ApplicationGateway" in pulumi(lab, "up", "--yes", "--skip-preview")
    found = json.loads(bbdc(lab, "status", "--json"))
    assert {(one["group"], one["instance"]) for one in found["targets"] if one["state"] != "draining"} == {
        (one["group"], one["instance"]) for one in told["targets"]
    }
    again = pulumi(lab, "preview")
    assert "unchanged" in again
    assert not [word for word in ("to update", "to replace", "to create", "to delete") if word in again]
