"""A copy of the repositories against the list of what was acknowledged."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from lab.traffic.check import check, main
from lab.traffic.report import Push


def git(place: Path, *words: str, stdin: str = "") -> str:
    run = subprocess.run(["git", *words], cwd=place, input=stdin, check=True, capture_output=True, text=True)
    return run.stdout.strip()


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Push]]:
    """Two repositories; pushes at 10, 11, ... 15, each a second after it began, in turn to one and the other."""
    place = tmp_path_factory.mktemp("pushed")
    pushes = []
    for number in range(6):
        slug, branch = "ab"[number % 2], f"traffic/r/{number % 2}"
        repository = place / str(number % 2 + 1)
        if not repository.exists():
            repository.mkdir()
            git(repository, "init", "--quiet", "--bare")
        lines = [
            f"commit refs/heads/{branch}",
            "mark :1",
            f"committer T <t@example.com> {1_600_000_000 + number} +0000",
        ]
        lines += ["data 1", "x", *([f"from refs/heads/{branch}^0"] if number > 1 else [])]
        lines += ["M 100644 inline f", "data 1", str(number), "get-mark :1", ""]
        commit = git(repository, "fast-import", "--quiet", stdin="\n".join(lines))
        pushes.append(Push(10.0 + number, f"P/{slug}", branch, commit, 9.0 + number))
    return place, pushes


@pytest.fixture
def copied(pushed: tuple[Path, list[Push]], tmp_path: Path) -> tuple[Path, list[Push]]:
    return Path(shutil.copytree(pushed[0], tmp_path / "copy")), pushed[1]


def test_a_copy_of_the_end_holds_all(copied: tuple[Path, list[Push]]) -> None:
    place, pushes = copied
    found = check(pushes, place, 100.0)
    assert (found.repositories, found.acknowledged_before, found.good) == (2, 6, True)


def test_a_copy_of_a_moment_holds_what_was_acknowledged_before_and_nothing_later(
    copied: tuple[Path, list[Push]],
) -> None:
    place, pushes = copied
    git(place / "2", "update-ref", "refs/heads/traffic/r/1", pushes[3].commit)
    git(place / "1", "update-ref", "refs/heads/traffic/r/0", pushes[2].commit)
    assert check(pushes, place, 13.5).good
    assert check(pushes, place, 12.5).under_way == (pushes[3],)
    assert check(pushes, place, 12.5).good
    assert check(pushes, place, 11.5).later == (pushes[3],)
    assert not check(pushes, place, 11.5).good
    assert check(pushes, place, 14.5).missing == (pushes[4],)


def test_damage_is_told_with_the_repository(copied: tuple[Path, list[Push]]) -> None:
    place, pushes = copied
    tree = git(place / "1", "rev-parse", f"{pushes[4].commit}^{{tree}}")
    for pack in (place / "1" / "objects" / "pack").glob("*"):
        content = pack.read_bytes()
        pack.unlink()
        if pack.suffix == ".pack":
            subprocess.run(["git", "unpack-objects", "-q"], cwd=place / "1", input=content, check=True)
    (place / "1" / "objects" / tree[:2] / tree[2:]).unlink()
    found = check(pushes, place, 100.0)
    assert list(found.damaged) == ["1"]
    assert tree in found.damaged["1"]


def test_the_command_prints_json_and_says_by_its_exit_code(
    copied: tuple[Path, list[Push]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place, pushes = copied
    ledger = tmp_path / "pushes.jsonl"
    ledger.write_text("".join(json.dumps(asdict(push)) + "\n" for push in pushes))
    words = ["--ledger", str(ledger), "--repositories", str(place), "--before"]
    assert main([*words, "100"]) == 0
    assert json.loads(capsys.readouterr().out)["good"] is True
    shutil.rmtree(place / "2")
    ran = subprocess.run(
        [sys.executable, "-m", "lab.traffic.check", *words, "100"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    told = json.loads(ran.stdout)
    assert {push["branch"] for push in told["missing"]} == {"traffic/r/1"}
    with pytest.raises(SystemExit, match="2"):
        main(["--ledger", "nowhere", *words[2:], "1"])
