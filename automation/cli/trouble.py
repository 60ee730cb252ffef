"""Turn an error into one clear message, for people and for scripts, with every credential taken out."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass

import cyclopts

from automation.adapters.logs import Redactor
from automation.cli.exit_codes import ExitCode, Usage, code_of
from automation.ports.errors import BbdcError

SECRET_VARIABLES = (
    "BITBUCKET_PASSWORD",
    "BITBUCKET_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PASSWORD",
    "AZURE_PASSWORD",
    "PULUMI_CONFIG_PASSPHRASE",
    "PULUMI_ACCESS_TOKEN",
    "BBDC_KEY",
    "BBDC_DATABASE_URL",
)
DEBUG_VARIABLE = "BBDC_DEBUG"
"""When set, an unexpected error is shown with its traceback."""


@dataclass(frozen=True, slots=True)
class Told:
    """An error as people and scripts shall see it."""

    code: ExitCode
    name: str
    message: str
    hint: str = ""
    trace: str = ""


_KNOWN = Redactor()


def redactor() -> Redactor:
    """Return the process's redactor: it knows every credential in the environment, and whatever it was taught."""
    for name in SECRET_VARIABLES:
        _KNOWN.add(os.environ.get(name, ""))
    return _KNOWN


def told(error: BaseException, arguments: Sequence[str]) -> Told:
    """Describe ``error``: what was being done, to what, what to do now."""
    clean = redactor()
    if isinstance(error, cyclopts.CycloptsError):
        command = f"bbdc {arguments[0]}" if arguments else "bbdc"
        error = Usage(str(error), hint=f"`{command} --help` shows what it takes")
    if isinstance(error, KeyboardInterrupt):
        return Told(ExitCode.INTERRUPTED, "interrupted", str(error) or "interrupted")
    name = getattr(error, "name", None) or type(error).__name__
    if isinstance(error, BbdcError):
        return Told(code_of(error), str(name), clean.text(error.message), clean.text(error.hint))
    trace = "".join(traceback.format_exception(error)) if os.environ.get(DEBUG_VARIABLE) else ""
    hint = f"this is a defect: set {DEBUG_VARIABLE}=1 to see where, and report it"
    return Told(ExitCode.UNEXPECTED, str(name), clean.text(f"{type(error).__name__}: {error}"), hint, clean.text(trace))


def tell(trouble: Told, *, as_json: bool) -> int:
    """Write the message: to standard error in words, and to standard output as JSON when asked; returns the code."""
    if as_json:
        fields = {"name": trouble.name, "message": trouble.message, "hint": trouble.hint, "exit_code": trouble.code}
        sys.stdout.write(json.dumps({"event": "error", "error": fields}) + "\n")
    sys.stdout.flush()
    hint = f"\n  -> {trouble.hint}" if trouble.hint else ""
    sys.stderr.write(f"{trouble.trace}bbdc: {trouble.message}{hint}\n")
    return int(trouble.code)
