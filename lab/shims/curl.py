"""curl of a lab machine: the machine's metadata service, and trust in the lab's own authority; all else is curl's.

``http://169.254.169.254/metadata/identity/oauth2/token`` answers with a token of the machine's identity, as on a
machine in Azure. Elsewhere, and in a lab that is not in Azure, nothing answers there.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from lab.shims.line import Refused, ask

METADATA = "http://169.254.169.254/"
TOKEN = "/metadata/identity/oauth2/token"  # noqa: S105 - a path
REFUSED, UNREACHABLE = 22, 7
"""Exit codes of curl: the server answered with an error; nobody answered."""
DATA = "--data-urlencode"


def main(arguments: Sequence[str]) -> int:
    """Do what curl would; return its exit code."""
    urls = [one for one in arguments if one.startswith(METADATA)]
    return _metadata(urls[0], arguments) if urls else _genuine(arguments)


def _metadata(url: str, arguments: Sequence[str]) -> int:
    """Answer as the machine's metadata service."""
    given = [value for name, value in pairwise(arguments) if name == DATA]
    asked = dict(parse_qsl(urlsplit(url).query)) | dict(one.split("=", 1) for one in given)
    header = any(one.replace(" ", "").lower() == "metadata:true" for one in arguments)
    if urlsplit(url).path != TOKEN or not header:
        sys.stderr.write("curl: (22) The requested URL returned error: 400\n")
        return REFUSED
    body = {"resource": asked.get("resource", ""), "client_id": asked.get("client_id", "")}
    try:
        answer = ask("POST", f"/machines/{_machine()}/token", body)
    except Refused as refused:
        sys.stderr.write(f"curl: (22) The requested URL returned error: 400 ({refused})\n")
        return REFUSED
    except OSError as error:
        sys.stderr.write(f"curl: (7) Failed to connect to {urlsplit(url).netloc}: {error}\n")
        return UNREACHABLE
    sys.stdout.write(json.dumps(answer))
    return 0


def _genuine(arguments: Sequence[str]) -> int:
    """Become the genuine curl, which trusts the lab's authority where there is one."""
    here = str(_home() / "bin")
    path = os.pathsep.join(one for one in os.environ["PATH"].split(os.pathsep) if one != here)
    program = shutil.which("curl", path=path)
    if program is None:
        sys.stderr.write("curl: command not found\n")
        return 127
    trust = Path(_document()["token_file"]).parent / "ca-bundle.pem"
    environment = {**os.environ, **({"CURL_CA_BUNDLE": str(trust)} if trust.exists() else {})}
    environment.pop("PYTHONPATH", None)
    os.execve(program, ["curl", *arguments], environment)  # noqa: S606 - the arguments are the script's own
    raise AssertionError("execve does not return")


def _home() -> Path:
    return Path(os.environ["LAB_MACHINE"])


def _document() -> dict[str, str]:
    found: dict[str, str] = json.loads((_home() / "machine.json").read_text())
    return found


def _machine() -> str:
    return _document()["id"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
