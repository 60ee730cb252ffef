"""Real Git against node processes: clones, pushes, and the row of every acknowledged push."""

from __future__ import annotations

import gzip
import os
import subprocess
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from lab.bitbucket.store import Store
from tests.lab.bitbucket.rig import PASSWORD, TOKEN, Rig, wait_for

pytestmark = pytest.mark.lab

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "T",
    "GIT_AUTHOR_EMAIL": "t@example.com",
    "GIT_COMMITTER_NAME": "T",
    "GIT_COMMITTER_EMAIL": "t@example.com",
}


def git(*arguments: str | Path, at: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", *map(str, arguments)], cwd=at, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=60
    )


def address(rig: Rig, number: int, who: str = f"admin:{quote(PASSWORD)}", slug: str = "gateway-service.git") -> str:
    return f"http://{who}@{rig.address(number)}:7990/scm/pay/{slug}"


def commit(clone: Path, name: str, content: bytes) -> str:
    (clone / name).write_bytes(content)
    assert git("add", ".", at=clone).returncode == 0
    assert git("commit", "-q", "-m", f"Add {name}", at=clone).returncode == 0
    return git("rev-parse", "HEAD", at=clone).stdout.strip()


def recorded(rig: Rig) -> list[tuple[str, str, str]]:
    """References, new ids and nodes of the rows, newest first."""
    store = Store(rig.database, rig.shared)
    try:
        return [(each.update.ref, each.update.new, each.node) for each in store.activity(limit=1000)]
    finally:
        store.close()


def test_clone_push_and_see_it_on_the_other_node(rig: Rig, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    assert git("clone", "-q", address(rig, 1), clone).returncode == 0
    head = commit(clone, "small.txt", b"small")
    pushed = git("push", "origin", "HEAD:refs/heads/feature/one", at=clone)
    assert pushed.returncode == 0, pushed.stderr
    assert recorded(rig)[0] == ("refs/heads/feature/one", head, "i-1")
    seen = git("ls-remote", address(rig, 2), "refs/heads/feature/one")
    assert seen.stdout.split()[0] == head
    with rig.client(2) as client:
        found = client.get("/rest/api/latest/projects/PAY/repos/gateway-service/branches?filterText=feature").json()
    assert [b["latestCommit"] for b in found["values"]] == [head]


@pytest.mark.parametrize("options", [(), ("-c", "http.postBuffer=65536"), ("-c", "protocol.version=0")])
def test_big_pushes_and_clones_arrive_whole(rig: Rig, tmp_path: Path, options: tuple[str, ...]) -> None:
    """With a small post buffer Git sends the pack chunked; 3 MB do not fit into any pipe."""
    clone, again = tmp_path / "clone", tmp_path / "again"
    git("clone", "-q", address(rig, 1), clone)
    content = os.urandom(3_000_000)
    head = commit(clone, f"big-{len(options)}-{options[-1:]}.bin".replace("/", "_"), content)
    pushed = git(*options, "push", "origin", "HEAD:refs/heads/big", "--force", at=clone)
    assert pushed.returncode == 0, pushed.stderr
    cloned = git(*options, "clone", "-q", "--branch", "big", address(rig, 2), again)
    assert cloned.returncode == 0, cloned.stderr
    assert git("rev-parse", "HEAD", at=again).stdout.strip() == head
    assert git("fsck", "--strict", at=again).returncode == 0
    assert any(path.read_bytes() == content for path in again.glob("big-*.bin"))


def test_several_references_in_one_push_and_a_deletion(rig: Rig, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git("clone", "-q", address(rig, 1), clone)
    commit(clone, "more.txt", b"more")
    git("tag", "v9", at=clone)
    pushed = git("push", "origin", "HEAD:refs/heads/a", "HEAD:refs/heads/b", "v9", at=clone)
    assert pushed.returncode == 0, pushed.stderr
    assert {ref for ref, _, _ in recorded(rig)[:3]} == {"refs/heads/a", "refs/heads/b", "refs/tags/v9"}
    assert git("push", "origin", ":refs/heads/a", at=clone).returncode == 0
    assert recorded(rig)[0][:2] == ("refs/heads/a", "0" * 40)


def test_a_refused_push_leaves_no_row(rig: Rig, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for clone in (one, two):
        git("clone", "-q", address(rig, 1), clone)
        commit(clone, "clash.txt", clone.name.encode())
    assert git("push", "origin", "HEAD:refs/heads/clash", at=one).returncode == 0
    before = recorded(rig)
    refused = git("push", "origin", "HEAD:refs/heads/clash", at=two)
    assert refused.returncode != 0
    assert recorded(rig) == before


@pytest.mark.parametrize("who", [f"admin:{TOKEN}", f"developer:{quote(PASSWORD)}"])
def test_tokens_and_passwords_are_good_for_git(rig: Rig, who: str) -> None:
    listed = git("ls-remote", address(rig, 1, who))
    assert listed.returncode == 0, listed.stderr
    assert "refs/heads/main" in listed.stdout


def test_a_bearer_token_and_no_suffix_work_too(rig: Rig) -> None:
    url = f"http://{rig.address(1)}:7990/scm/PAY/gateway-service"
    listed = git("-c", f"http.extraHeader=Authorization: Bearer {TOKEN}", "ls-remote", url)
    assert "refs/heads/main" in listed.stdout, listed.stderr


def test_nobody_and_wrong_passwords_are_asked_again(rig: Rig) -> None:
    url = f"http://{rig.address(1)}:7990/scm/pay/gateway-service.git/info/refs?service=git-upload-pack"
    answer = httpx.get(url)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic")
    assert git("ls-remote", address(rig, 1, "admin:nonsense")).returncode != 0


def test_what_is_no_repository_is_404_and_dumb_http_is_refused(rig: Rig) -> None:
    root = f"http://{rig.address(1)}:7990/scm/pay"
    with httpx.Client(auth=("admin", PASSWORD)) as client:
        assert client.get(f"{root}/none.git/info/refs?service=git-upload-pack").status_code == 404
        assert client.get(f"{root}/gateway-service.git/info/refs").status_code == 403
        assert client.get(f"{root}/gateway-service.git/HEAD").status_code == 404
        assert client.get(f"{root}/..%2f..%2f/info/refs?service=git-upload-pack").status_code == 404


def test_a_gzipped_request_is_understood(rig: Rig) -> None:
    root = f"http://{rig.address(1)}:7990/scm/pay/gateway-service.git"
    body = b"0014command=ls-refs\n0001" + b"001bref-prefix refs/heads/\n" + b"0000"
    headers = {
        "Content-Type": "application/x-git-upload-pack-request",
        "Content-Encoding": "gzip",
        "Git-Protocol": "version=2",
    }
    with httpx.Client(auth=("admin", PASSWORD)) as client:
        answer = client.post(f"{root}/git-upload-pack", content=gzip.compress(body), headers=headers)
    assert answer.status_code == 200
    assert b"refs/heads/main" in answer.content


def test_git_processes_do_not_linger(rig: Rig) -> None:
    """The answer is with the client a moment before the process has been seen off."""
    pid = rig.processes["i-1"].pid
    children = Path(f"/proc/{pid}/task/{pid}/children")
    wait_for(lambda: not children.read_text().split())
