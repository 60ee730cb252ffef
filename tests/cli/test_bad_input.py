"""Each bad input: a clear message, a documented code, nothing changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from automation import bootstrap
from automation.adapters.runs.store import Store
from automation.cli.exit_codes import ExitCode
from automation.core.cluster import ClusterState
from automation.ports.errors import BbdcError, Forbidden, NotAuthenticated, Throttled, Unexpected, Unreachable
from lab.sim.estate import Estate
from tests.cli.conftest import Bbdc
from tests.cli.schemas import check

SECRET = "t0p-secret-token"


@pytest.mark.parametrize(
    ("version", "rule"),
    [
        ("7.10.0", "feature_upgrade"),
        ("8.0.0", "platform_upgrade"),
        ("7.8.9", "lower_version"),
        ("seven", "unknown_version"),
    ],
)
def test_a_version_that_cannot_be_rolled_to_is_refused_by_name(
    bbdc: Bbdc, estate: Estate, version: str, rule: str
) -> None:
    told = bbdc("upgrade", version, "--yes")
    assert told.code == ExitCode.REFUSED
    assert rule in told.err
    judged = bbdc("preflight", version, "--json")
    assert judged.code == ExitCode.REFUSED
    check(judged.json, "preflight")
    assert judged.json["refused"] == "version_rule"
    assert estate.world.bitbucket.cluster().state is ClusterState.STABLE
    assert bbdc("runs", "--json").json == []


def test_nobody_can_be_asked_without_a_terminal(bbdc: Bbdc, estate: Estate) -> None:
    told = bbdc("upgrade", "7.9.4")
    assert told.code == ExitCode.USAGE
    assert "--yes" in told.err
    assert bbdc("rollback").code == ExitCode.USAGE
    assert bbdc("upgrade", "7.9.4", "--json").code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotAuthenticated("GET /rest/zdu/cluster failed: 401", hint="check BITBUCKET_TOKEN"), 5),
        (Forbidden("GET /rest/zdu/cluster failed: 403", right="SYS_ADMIN"), 5),
        (Unreachable("GET https://bitbucket.example failed: certificate has expired"), 6),
        (Throttled("DescribeAutoScalingGroups failed: Throttling"), 6),
        (Unexpected("GET /rest/zdu/cluster answered HTML", hint="is this Bitbucket?"), 1),
    ],
)
def test_an_estate_that_cannot_be_asked_is_told_with_its_code(
    bbdc: Bbdc, estate: Estate, monkeypatch: pytest.MonkeyPatch, error: BbdcError, code: int
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(type(estate.world.bitbucket), "cluster", fail)
    for words in (("status",), ("preflight", "7.9.4"), ("upgrade", "7.9.4", "--yes")):
        told = bbdc(*words, "--json")
        assert told.code == code
        assert error.message in told.err
        assert error.hint in told.err
        check(told.events[-1], "error")


def test_missing_settings_are_named(bbdc: Bbdc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BITBUCKET_URL")
    told = bbdc("status")
    assert told.code == ExitCode.REFUSED
    assert "BITBUCKET_URL" in told.err


@pytest.mark.parametrize("words", [("report",), ("approve",), ("pause",), ("resume",), ("abort",), ("report", "sim:9")])
def test_a_run_that_does_not_exist_is_not_found(bbdc: Bbdc, words: tuple[str, ...]) -> None:
    told = bbdc(*words)
    assert told.code == ExitCode.NOT_FOUND
    assert "sim" in told.err


def test_an_unexpected_error_is_told_as_a_defect_and_never_shows_a_secret(
    bbdc: Bbdc, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(f"header was Bearer {SECRET}")

    monkeypatch.setattr(bootstrap, "build", fail)
    monkeypatch.setenv("BBDC_DEBUG", "1")
    told = bbdc("status", "--json")
    assert told.code == ExitCode.UNEXPECTED
    assert "Traceback" in told.err
    assert "this is a defect" in told.err
    assert SECRET not in told.out + told.err


def test_a_traffic_report_of_another_shape_is_usage(bbdc: Bbdc, estate: Estate, tmp_path: Path) -> None:
    assert bbdc("upgrade", "7.9.4", "--yes").code == ExitCode.OK
    file, page = tmp_path / "traffic.json", tmp_path / "page.html"
    shapes: list[Callable[[], object]] = [lambda: file.write_text("<html>"), lambda: file.write_text(json.dumps([1]))]
    for write in shapes:
        write()
        told = bbdc("report", "--html", str(page), "--traffic", str(file))
        assert told.code == ExitCode.USAGE
    assert bbdc("report", "--traffic", str(tmp_path / "none")).code == ExitCode.NOT_FOUND
    assert not page.exists()


def test_no_secret_is_in_anything_that_a_roll_leaves(bbdc: Bbdc, estate: Estate, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    told = bbdc("upgrade", "7.9.4", "--yes", "--report", str(page))
    said = told.out + told.err + bbdc("status").out + bbdc("report", "--json").out + page.read_text()
    assert SECRET not in said
    state = Store(tmp_path / "state").state
    assert not [path for path in state.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
