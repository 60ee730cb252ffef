"""What ``bbdc lab env`` prints: everything that plain ``pulumi``, ``aws``, ``git``, ``curl`` and ``bbdc`` need."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

from lab.balancer.published import further
from lab.state import Record

STACK = "lab"
PROVIDERS = {"aws": "aws", "azure": "azure-native"}
"""Cloud -> the resource provider that the engines ask for."""
SHIM_MARK = b"lab.pulumi"
"""Found in the embedded engine's shim and never in the genuine program."""


def genuine_pulumi(path: str | None = None) -> str | None:
    """Return the genuine Pulumi CLI on PATH; None where there is none. A lab's own shim does not count."""
    for folder in (path if path is not None else os.environ.get("PATH", "")).split(os.pathsep):
        found = shutil.which("pulumi", path=folder) if folder else None
        if found is not None and SHIM_MARK not in Path(found).read_bytes()[:4096]:
            return found
    return None


def variables(directory: Path, record: Record) -> dict[str, str]:
    """Return the environment of somebody who works with this lab, without PATH."""
    return record.variables | {
        "BITBUCKET_URL": record.url,
        "BITBUCKET_USER": "admin",
        "BITBUCKET_PASSWORD": record.password,
        "BITBUCKET_TOKEN": record.bitbucket_token,
        "BBDC_CLUSTER": record.cluster,
        "BBDC_STAGE_URL": f"http://127.0.0.1:{further(record.http, 'http', 1)}",
        "BBDC_STATE": str(directory / "state"),
        "BBDC_LAB_DIR": str(directory),
        "PULUMI_BACKEND_URL": f"file://{directory / 'pulumi'}",
        "PULUMI_CONFIG_PASSPHRASE": record.passphrase,
        "PULUMI_DEBUG_PROVIDERS": f"{PROVIDERS[record.cloud]}:{record.provider}",
        "PULUMI_STACK": STACK,
        "PULUMI_OPTION_CONFIG_FILE": str(stack_config(directory)),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }


def stack_config(directory: Path) -> Path:
    """Return the stack's config file, in the lab's directory so that the working tree stays clean."""
    return directory / f"Pulumi.{STACK}.yaml"


def search_path(directory: Path) -> str | None:
    """Return PATH with the lab's shims first; None where the genuine CLI is found and no shim is used."""
    here = os.environ.get("PATH", "")
    if genuine_pulumi(here) is not None:
        return None
    folder = str(directory / "bin")
    return os.pathsep.join([folder, *(part for part in here.split(os.pathsep) if part != folder)])


def exports(directory: Path, record: Record) -> str:
    """Return ``export NAME=value`` lines, quoted for the shell."""
    values = variables(directory, record)
    path = search_path(directory)
    if path is not None:
        values["PATH"] = path
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())


def process_environment(directory: Path, record: Record) -> Mapping[str, str]:
    """Return the environment of a process that the lab starts to work with itself."""
    values = {**os.environ, **variables(directory, record)}
    path = search_path(directory)
    return values | ({"PATH": path} if path is not None else {})
