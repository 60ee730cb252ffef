"""A Pulumi project in a directory, and a cloud in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

from lab.aws.world import ACCESS_KEY, REGION, SECRET_KEY

ROOT = Path(__file__).parents[3]


class Project:
    """A project directory, a cloud, and the `pulumi` command."""

    def __init__(
        self,
        directory: Path,
        cloud: dict[str, Any],
        program: str,
        *,
        name: str = "bitbucket-dc",
        backend: Path | None = None,
    ) -> None:
        self.directory, self.backend = directory, backend or directory / "backend"
        self.endpoint: str = cloud["endpoint"]
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "PYTHONPATH": str(ROOT),
            "PULUMI_BACKEND_URL": f"file://{self.backend}",
            "PULUMI_CONFIG_PASSPHRASE": "lab",
            "PULUMI_DEBUG_PROVIDERS": f"aws:{cloud['port']}",
            "AWS_REGION": REGION,
        }
        self.backend.mkdir(exist_ok=True)
        (directory / "__main__.py").write_text(program, "utf-8")
        (directory / "Pulumi.yaml").write_text(
            f"name: {name}\nruntime:\n  name: python\n  options:\n    virtualenv: {sys.prefix}\n", "utf-8"
        )

    def pulumi(self, *arguments: str) -> str:
        ran = subprocess.run(
            [sys.executable, "-m", "lab.pulumi", *arguments],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert ran.returncode == 0, f"{arguments}\n{ran.stdout}\n{ran.stderr}"
        return ran.stdout

    def client(self, service: str) -> Any:
        keys = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY}
        return boto3.client(service, endpoint_url=self.endpoint, region_name=REGION, **keys)


@contextmanager
def cloud() -> Iterator[dict[str, Any]]:
    """Start a cloud with the provider in front of it; give where they are, and end both."""
    script = str(Path(__file__).with_name("cloud_process.py"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30) == 0
