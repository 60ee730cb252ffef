"""The scripts of restores and drills, really run: by sh, on real repositories, below a root of their own."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from automation.engine.restores import checks, home
from automation.ports.drills import Place

pytestmark = pytest.mark.lab

HOME = "/srv/bitbucket-dc/shared"
PLACE = Place(
    ready=True,
    machine="i-1",
    devices=("sdf", "sdg"),
    database_host="drill.example",
    database_port=5433,
    password_command='cat "$SECRET_FILE"',
)
PSQL = """#!/bin/sh
# psql of the test: answers the three questions from files, and refuses whoever does not come as a drill does.
for word; do last=$word; done
[ "$PGHOST:$PGPORT:$PGUSER:$PGDATABASE:$PGPASSWORD" = "drill.example:5433:bitbucket:bitbucket:s3cret pass" ] || exit 2
[ "$PGSSLMODE" = require ] || exit 2
case "$*" in *s3cret*) echo "the password is in the arguments" >&2; exit 9;; esac
case "$last" in
  'select id from repository order by id') cat "$ROWS";;
  'select count(*) from project') echo 4;;
  'select count(*) from sta_normal_user') echo 7;;
  *) echo "what is $last?" >&2; exit 3;;
esac
"""
SYSTEMCTL = """#!/bin/sh
# systemctl of the test: one unit, which runs while the file "active" is there, and whose drop-ins are obeyed.
echo "$*" >>"$STATE/calls"
rule="$BBDC_ROOT/etc/systemd/system/bitbucket.service.d/bbdc-restore.conf"
case "$1" in
  daemon-reload) ;;
  stop) [ -e "$STATE/unit" ] || exit 5; [ -e "$STATE/hangs" ] || rm -f "$STATE/active";;
  start) [ -e "$STATE/unit" ] || exit 5; [ -e "$rule" ] || : >"$STATE/active";;
  is-active) [ -e "$STATE/active" ] || exit 3;;
  *) exit 1;;
esac
"""


@dataclass(frozen=True)
class Machine:
    """A root directory, and programs that come first on PATH."""

    path: Path

    @property
    def root(self) -> Path:
        return self.path / "root"

    def program(self, name: str, text: str) -> None:
        file = self.path / "bin" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)

    def run(self, script: str, **more: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{self.path / 'bin'}:{os.environ['PATH']}",
            "BBDC_ROOT": str(self.root),
            "STATE": str(self.path),
            "HOME": str(self.path),
            **more,
        }
        return subprocess.run(["sh"], input=script, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    made.root.mkdir()
    made.program("systemctl", SYSTEMCTL)
    return made


def git(*words: str, where: Path) -> str:
    identity = {f"GIT_{who}_{what}": "ada@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = subprocess.run(
        ["git", *words], cwd=where, env={**os.environ, **identity}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def make_repository(path: Path, commits: int = 2) -> None:
    path.mkdir(parents=True)
    git("init", "--bare", "--quiet", "--initial-branch=main", ".", where=path)
    tree = git("hash-object", "-t", "tree", "-w", "/dev/null", where=path)
    parent: list[str] = []
    for number in range(commits):
        commit = git("commit-tree", "-m", f"commit {number}", *parent, tree, where=path)
        parent = ["-p", commit]
    git("update-ref", "refs/heads/main", commit, where=path)
    git("tag", "v1", "main", where=path)


# --- the shared home -------------------------------------------------------------------------------------------------


@pytest.fixture
def shared(machine: Machine) -> Path:
    made = machine.root / HOME.lstrip("/")
    make_repository(made / "data" / "repositories" / "1")
    return made


def properties(shared: Path) -> str:
    return (shared / "bitbucket.properties").read_text()


def test_stale_locks_go_and_pushes_work_again(machine: Machine, shared: Path) -> None:
    repository = shared / "data" / "repositories" / "1"
    stale = [repository / "refs/heads/main.lock", repository / "packed-refs.lock", shared / ".lock"]
    for lock in stale:
        lock.touch()
    with pytest.raises(subprocess.CalledProcessError):
        git("update-ref", "-d", "refs/heads/main", where=repository)
    done = machine.run(home.prepare(HOME))
    assert (done.returncode, done.stdout) == (0, "2 lock files removed\n"), done.stderr
    assert not any(lock.exists() for lock in stale)
    git("update-ref", "-d", "refs/heads/main", where=repository)


def test_integrity_checking_is_switched_on_and_off_and_the_rest_of_the_file_stays(
    machine: Machine, shared: Path
) -> None:
    file = shared / "bitbucket.properties"
    file.write_text("jdbc.user=bitbucket\n disaster.recovery = false\n#disaster.recovery=true\nx.disaster.recovery=1")
    file.chmod(0o640)
    rest = "jdbc.user=bitbucket\n#disaster.recovery=true\nx.disaster.recovery=1\n"
    for _ in range(2):  # safe to run twice
        assert machine.run(home.prepare(HOME)).returncode == 0
        assert properties(shared) == f"{rest}disaster.recovery=true\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    for _ in range(2):
        assert machine.run(home.end_checking(HOME)).stdout == "integrity checking is off\n"
        assert properties(shared) == rest
    assert not list(shared.glob("*.bbdc"))


def test_a_home_without_properties_gets_them(machine: Machine, shared: Path) -> None:
    assert machine.run(home.prepare(HOME)).returncode == 0
    assert properties(shared) == "disaster.recovery=true\n"
    assert machine.run(home.end_checking(HOME)).returncode == 0
    assert properties(shared) == ""


def test_without_a_disk_under_it_nothing_is_written(machine: Machine) -> None:
    for script in (home.prepare(HOME), home.end_checking(HOME)):
        done = machine.run(script)
        assert (done.returncode, list(machine.root.iterdir())) == (1, [])
        assert "there is no shared home at" in done.stderr


# --- Bitbucket on a node ---------------------------------------------------------------------------------------------

RULE = "etc/systemd/system/bitbucket.service.d/bbdc-restore.conf"


@pytest.fixture
def active(machine: Machine) -> Path:
    (machine.path / "unit").touch()
    (machine.path / "active").touch()
    return machine.path / "active"


@pytest.mark.parametrize("service", ["bitbucket", "bitbucket.service"])
def test_a_stopped_bitbucket_stays_stopped_whoever_starts_it(machine: Machine, active: Path, service: str) -> None:
    for _ in range(2):
        assert machine.run(home.stop(service)).stdout == "stopped\n"
        assert not active.exists()
    assert (machine.root / RULE).read_text() == "[Unit]\nConditionPathExists=!/\n"
    machine.run("systemctl start bitbucket")
    assert not active.exists()
    assert machine.run(home.start(service)).stdout == "started\n"
    assert active.exists()
    assert not (machine.root / RULE).exists()


def test_a_machine_that_is_still_being_set_up_will_not_start_bitbucket(machine: Machine) -> None:
    assert machine.run(home.stop("bitbucket")).stdout == "stopped\n"
    (machine.path / "unit").touch()
    machine.run("systemctl start bitbucket")
    assert not (machine.path / "active").exists()


def test_a_bitbucket_that_does_not_stop_is_told(machine: Machine, active: Path) -> None:
    (machine.path / "hangs").touch()
    done = machine.run(home.stop("bitbucket"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "bitbucket.service still runs\n"


# --- a drill ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def drilled(machine: Machine) -> Path:
    """A drill's machine: three repositories on the first disk, and the database that knows them."""
    machine.program("psql", PSQL)
    repositories = machine.root / "srv/drill/sdf/shared/data/repositories"
    for number in (1, 2, 3):
        make_repository(repositories / str(number))
    (machine.root / "srv/drill/sdg/data").mkdir(parents=True)
    (machine.path / "rows").write_text("1\n2\n3\n")
    (machine.path / "secret").write_text("s3cret pass")
    return repositories


def examine(machine: Machine, place: Place = PLACE, sample: int = 10) -> subprocess.CompletedProcess[str]:
    script = checks.script(place, sample=sample, seed="20261121-100000-000")
    return machine.run(script, ROWS=str(machine.path / "rows"), SECRET_FILE=str(machine.path / "secret"))


def seen(machine: Machine, sample: int = 10) -> Any:
    done = examine(machine, sample=sample)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_good_set_is_seen_whole(machine: Machine, drilled: Path) -> None:
    assert seen(machine) == {
        "rows": 3,
        "projects": 4,
        "users": 7,
        "directories": 3,
        "references": 6,
        "missing": [],
        "unreadable": [],
        "sampled": 3,
        "fsck_failed": [],
    }
    assert not list(machine.path.glob("tmp*"))


def test_a_row_without_a_directory_is_missing(machine: Machine, drilled: Path) -> None:
    shutil.rmtree(drilled / "2")
    found = seen(machine)
    assert (found["missing"], found["directories"], found["sampled"]) == (["2"], 2, 2)


def test_a_reference_to_nothing_and_a_broken_object_are_found(machine: Machine, drilled: Path) -> None:
    (drilled / "1" / "refs/heads/main").write_text("not a commit\n")
    broken = git("rev-parse", "main^", where=drilled / "3")
    victim = drilled / "3" / "objects" / broken[:2] / broken[2:]
    victim.chmod(0o644)
    victim.write_bytes(b"rubbish")
    found = seen(machine)
    assert set(found["fsck_failed"]) >= {"3"}
    assert "1" in [*found["unreadable"], *found["fsck_failed"]]


def test_a_sample_is_as_large_as_wanted_and_the_same_each_time(machine: Machine, drilled: Path) -> None:
    assert seen(machine, sample=2)["sampled"] == 2
    assert seen(machine, sample=2) == seen(machine, sample=2)


def test_many_missing_directories_are_counted_and_the_first_named(machine: Machine, drilled: Path) -> None:
    (machine.path / "rows").write_text("".join(f"{number}\n" for number in range(1, 101)))
    found = seen(machine)
    assert (found["rows"], len(found["missing"])) == (100, 20)


def test_no_repositories_is_an_answer_too(machine: Machine, drilled: Path) -> None:
    (machine.path / "rows").write_text("")
    found = seen(machine)
    assert (found["rows"], found["sampled"], found["missing"]) == (0, 0, [])


def test_a_disk_without_repositories_fails_the_checks(machine: Machine, drilled: Path) -> None:
    done = examine(machine, replace(PLACE, devices=("sdg", "sdf")))
    assert (done.returncode, done.stdout) == (1, "")
    assert "there are no repositories on the restored disk" in done.stderr


def test_a_database_that_refuses_fails_the_checks(machine: Machine, drilled: Path) -> None:
    done = examine(machine, replace(PLACE, password_command="echo wrong"))
    assert done.returncode == 2


def test_the_password_is_in_no_output(machine: Machine, drilled: Path) -> None:
    done = examine(machine)
    assert "s3cret" not in done.stdout + done.stderr + checks.script(PLACE, sample=1, seed="x")


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
@pytest.mark.parametrize(
    "script",
    [
        home.prepare(HOME),
        home.end_checking(HOME),
        home.stop("b"),
        home.start("b"),
        checks.script(PLACE, sample=1, seed=""),
    ],
    ids=["prepare", "end_checking", "stop", "start", "checks"],
)
def test_shellcheck_finds_nothing(script: str) -> None:
    done = subprocess.run(
        ["shellcheck", "--shell=sh", "--exclude=SC2034", "-"], input=script, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
