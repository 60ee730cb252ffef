"""``bbdc lab up`` by the whole way: daemon, Pulumi program, nodes, balancer; and again, and down."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

pytestmark = pytest.mark.lab
ROOT = Path(__file__).resolve().parents[2]


def bbdc(directory: Path, *arguments: str, code: int = 0) -> str:
    command = [sys.executable, "-m", "lab.cli", *arguments, "--dir", str(directory)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def tree() -> str:
    """What Git makes of the working tree, stack files that it ignores included."""
    done = subprocess.run(
        ["git", "status", "--porcelain", "--ignored", "Pulumi.*", "stacks"], cwd=ROOT, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    return done.stdout


def test_up_again_and_down(tmp_path: Path) -> None:
    lab, before = tmp_path / "lab", tree()
    try:
        built = json.loads(bbdc(lab, "up", "--nodes", "2", "--json"))
        assert built["built"] is True
        assert built["cluster"]["state"] == "STABLE"
        nodes = [machine for machine in built["machines"] if machine["role"] == "node"]
        assert [(node["version"], node["state"]) for node in nodes] == [("7.9.0", "ACTIVE")] * 2
        assert {target["state"] for target in built["targets"]} == {"healthy"}
        found = httpx.get(f"{built['url']}/rest/api/latest/repos", params={"limit": 100}, auth=credentials(lab)).json()
        assert found["size"] >= 20
        assert tree() == before

        again = json.loads(bbdc(lab, "up", "--nodes", "5", "--version", "8.9.0", "--json"))
        assert again["built"] is False
        assert [machine["instance"] for machine in again["machines"]] == [m["instance"] for m in built["machines"]]
        assert "bitbucket-dc:version: 7.9.0" in (lab / "Pulumi.lab.yaml").read_text()
    finally:
        bbdc(lab, "down")
    assert not [path.name for path in lab.iterdir() if path.name != ".lock"]
    assert "no lab runs" in bbdc(lab, "status", code=8)


def credentials(directory: Path) -> tuple[str, str]:
    lines = dict(line.removeprefix("export ").split("=", 1) for line in bbdc(directory, "env").splitlines())
    return lines["BITBUCKET_USER"], lines["BITBUCKET_PASSWORD"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--nodes", "0"], "1 to 9 nodes"),
        (["--version", "7.9"], "not a Bitbucket version"),
        (["--cloud", "moon"], "no lab of the cloud"),
    ],
)
def test_impossible_worlds_are_refused_before_anything_starts(tmp_path: Path, arguments: list[str], words: str) -> None:
    assert words in bbdc(tmp_path / "lab", "up", *arguments, code=3)
    assert not (tmp_path / "lab").exists()
