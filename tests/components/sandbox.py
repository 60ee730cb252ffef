"""A sandbox in which the start-up scripts really run: a root of its own, and commands that would touch the machine
replaced by small recorders. Everything else on PATH (tar, sha256sum, sed, ...) is genuine."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

from components.user_data import source

INSTANCE = "i-0123456789abcdef0"
ARCHIVE_BASE = "https://archive.example/bitbucket-{version}.tar.gz"
VAULT, TOKEN = "https://bitbucket.vault.azure.net", "m4chine-t0ken"
"""On Azure: where the secrets are, and what the machine is known by."""
SECRET_VALUES = {
    "arn:secret:database": "d4t4base-S3cret",
    "arn:secret:hazelcast": "h4zelcast-S3cret",
    "arn:secret:license": "AAAB-l1cence-S3cret\nsecond-line",
    "arn:secret:admin": r"adm1n-S3cret\with\backslashes",
    "arn:secret:search": "se4rch-S3cret",
}

# Every fake writes its name and arguments as one record. Its answer comes from files below $FAKES.
RECORDER = r"""#!/bin/bash
name=${0##*/}
{ printf '%s\x1f' "$name" "$@"; printf '\x1e'; } >>"$FAKES/calls"
left=0
if [ -e "$FAKES/fail-$name" ]; then left=$(<"$FAKES/fail-$name"); fi
if [ "$left" -gt 0 ]; then
  echo $((left - 1)) >"$FAKES/fail-$name"
  exit 32
fi
last=${!#}
after() { while [ "$1" != "$2" ]; do set -- "$1" "${@:3}"; done; printf '%s' "$3"; }
"""
BODIES = {
    "curl": r"""
case "$last" in
  */metadata/identity/*) echo '{"access_token":"m4chine-t0ken","token_type":"Bearer"}' ;;
  https://bitbucket.vault.azure.net/secrets/*)
    grep -q '^header = "Authorization: Bearer m4chine-t0ken"$' || exit 22
    name=${last#*/secrets/}
    python3 -c 'import json, sys; json.dump({"value": open(sys.argv[1]).read()}, sys.stdout)' \
      "$FAKES/secrets/arn:secret:${name%%\?*}" 2>/dev/null || exit 22 ;;
  */status) cat "$FAKES/status" ;;
  *) cp "$FAKES/site/${last##*/}" "$(after --output "$@")" 2>/dev/null || exit 22 ;;
esac
""",
    "aws": r"""
if [ "$1" = s3 ]; then
  from=${*: -2:1}
  cp "$FAKES/site/${from##*/}" "$last"
else
  cat "$FAKES/secrets/$(after --secret-id "$@")" 2>/dev/null || exit 254
fi
""",
    "systemctl": '[ "$1" != is-failed ] || [ -e "$FAKES/service-failed" ]\n',
    "mountpoint": '[ -e "$FAKES/mounted" ]\n',
    "mount": 'touch "$FAKES/mounted"\n',
    "getent": "exit 2\n",
    "blkid": '[ -s "$FAKES/filesystem" ] || exit 2\ncat "$FAKES/filesystem"\n',
}
SILENT = ("dnf", "useradd", "groupadd", "chown", "java", "mkfs.xfs", "xfs_growfs", "exportfs")


OWN_VALUES = {
    "aws": {
        "AWS_REGION": "eu-west-1",
        "NODE_ROLE_NAME": "node-role",
        "JAVA_PACKAGE": "java-11-amazon-corretto-headless",
    },
    "azure": {
        "IDENTITY_CLIENT_ID": "0000-client",
        "SUBSCRIPTION": "0000-subscription",
        "RESOURCE_GROUP": "bitbucket-group",
        "STORAGE_DOMAIN": "core.windows.net",
        "JAVA_PACKAGE": "java-11-openjdk-headless",
    },
}
"""What is particular to a cloud among the values of a node's script."""


def make_archive(version: str, marker: str = "genuine") -> bytes:
    """Return a tiny archive of the shape of Bitbucket's."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, mode in (("bin/start-bitbucket.sh", 0o755), ("bin/stop-bitbucket.sh", 0o755), ("README", 0o600)):
            content = f"{marker} {version}\n".encode()
            entry = tarfile.TarInfo(f"atlassian-bitbucket-{version}/{name}")
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


@dataclass
class Sandbox:
    """One machine's file system, and what was called on it."""

    path: Path
    values: dict[str, str] = field(default_factory=dict)
    cloud: str = "aws"

    def __post_init__(self) -> None:
        self.fakes, self.root = self.path / "fakes", self.path / "root"
        (self.fakes / "site").mkdir(parents=True)
        (self.fakes / "bin").mkdir()
        self.root.joinpath("var/lib/cloud/data").mkdir(parents=True)
        self.root.joinpath("var/lib/cloud/data/instance-id").write_text(f"{INSTANCE}\n")
        self.answer("status", '{"state":"RUNNING"}')
        (self.fakes / "secrets").mkdir()
        for name, value in SECRET_VALUES.items():
            (self.fakes / "secrets" / name).write_text(value)
        self.answer("filesystem", "")
        for name in (*BODIES, *SILENT):
            fake = self.fakes / "bin" / name
            fake.write_text(RECORDER + BODIES.get(name, ""))
            fake.chmod(0o755)
        # This interpreter itself: whoever chooses between several first takes longer than a whole script.
        (self.fakes / "bin/python3").symlink_to(Path(sys.executable).resolve())
        self.values = {**node_values("7.9.0", self.cloud), **self.values}

    def answer(self, name: str, text: str) -> None:
        (self.fakes / name).write_text(text)

    def serve(self, version: str, marker: str = "genuine") -> str:
        """Put an archive on the download site; return its checksum."""
        content = make_archive(version, marker)
        (self.fakes / "site" / f"bitbucket-{version}.tar.gz").write_bytes(content)
        return hashlib.sha256(content).hexdigest()

    def run(self, script: str = "node", **changes: str) -> subprocess.CompletedProcess[str]:
        """Run a start-up script as the cloud would: the whole rendered text."""
        text = source(self.cloud, script, self._addressed({**self.values, **changes}))
        file = self.path / f"{script}.sh"
        file.write_text(text)
        return self._bash(file)

    def _addressed(self, values: dict[str, str]) -> dict[str, str]:
        """Return the values with names of secrets as the cloud has them."""
        if self.cloud == "aws":
            return values
        return {key: value.replace("arn:secret:", f"{VAULT}/secrets/") for key, value in values.items()}

    def boot(self, program: str, *, fails: bool = False) -> subprocess.CompletedProcess[str]:
        """Run a program that a start-up script has installed, as a later boot does."""
        done = self._bash(self.root / program)
        assert (done.returncode != 0) == fails, done.stderr
        return done

    def _bash(self, file: Path) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{self.fakes / 'bin'}:{os.environ['PATH']}",
            "FAKES": str(self.fakes),
            "BBDC_ROOT": str(self.root),
            "BBDC_RETRY_SECONDS": "0.01",
            "BBDC_LOCK_BEAT": "0.2",
            "BBDC_LOCK_TRIES": "30",
            "BBDC_START_TRIES": "5",
            "BBDC_SECRET_TRIES": "2",
        }
        return subprocess.run(
            ["bash", str(file)], env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    def succeed(self, script: str = "node", **changes: str) -> subprocess.CompletedProcess[str]:
        done = self.run(script, **changes)
        assert done.returncode == 0, done.stderr
        return done

    def calls(self, name: str) -> list[list[str]]:
        """Return the arguments of each call of a command."""
        journal = self.fakes / "calls"
        records = journal.read_text().split("\x1e")[:-1] if journal.exists() else []
        called = [record.split("\x1f")[:-1] for record in records]
        return [arguments for command, *arguments in called if command == name]

    def forget_calls(self) -> None:
        (self.fakes / "calls").unlink()

    @property
    def install(self) -> Path:
        return self.root / "opt/atlassian/bitbucket"

    @property
    def shared(self) -> Path:
        return self.root / "var/atlassian/application-data/bitbucket/shared"

    @property
    def properties(self) -> dict[str, str]:
        lines = (self.shared / "bitbucket.properties").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def node_values(version: str, cloud: str = "aws") -> dict[str, str]:
    """Return what the component writes at the top of a node's script."""
    return {
        **OWN_VALUES[cloud],
        "BITBUCKET_VERSION": version,
        "BBDC_CLUSTER": "bitbucket-lab",
        "MEMBER_TAG": "bitbucket-dc:member",
        "BITBUCKET_UID": str(os.getuid()),
        "JVM_HEAP": "2g",
        "JVM_ARGUMENTS": "",
        "ARCHIVE_URL": ARCHIVE_BASE.format(version=version),
        "ARCHIVE_SHA256": "",
        "BASE_URL": "https://bitbucket.example.com",
        "SSH_BASE_URL": "ssh://git.example.com:7999",
        "SHARED_HOME_SERVER": "10.0.0.10",
        "SHARED_HOME_EXPORT": "/srv/bitbucket-dc/shared",
        "DATABASE_HOST": "db.example",
        "DATABASE_PORT": "5432",
        "DATABASE_NAME": "bitbucket",
        "DATABASE_USER": "bitbucket",
        "DATABASE_SECRET": "arn:secret:database",
        "HAZELCAST_SECRET": "arn:secret:hazelcast",
        "SEARCH_URL": "",
        "SEARCH_USER": "",
        "SEARCH_REGION": "",
        "SEARCH_SECRET": "",
        "LICENSE_SECRET": "",
        "ADMIN_SECRET": "",
        "ADMIN_USER": "",
        "ADMIN_EMAIL": "",
    }


def version_values(version: str) -> dict[str, str]:
    """Return what changes with the version."""
    return {"BITBUCKET_VERSION": version, "ARCHIVE_URL": ARCHIVE_BASE.format(version=version)}
