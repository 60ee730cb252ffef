"""Scripts for the file server and the nodes around a swap: plain POSIX shell, safe to run twice."""

from __future__ import annotations

import shlex

PROPERTY = "disaster.recovery"
"""Lets the first node that starts check the database against the repositories, in the background.

Source: Atlassian, *Running integrity checks in Bitbucket Data Center*. Set it back once that node runs.
"""


def prepare(home: str) -> str:
    """Remove Git's stale lock files and switch integrity checking on.

    A lock file in a snapshot belongs to a process that does not exist here: it would refuse pushes for ever.
    """
    return _HOME.format(home=shlex.quote(home)) + _PREPARE


def end_checking(home: str) -> str:
    """Switch integrity checking off again."""
    return _HOME.format(home=shlex.quote(home)) + _END


def stop(service: str) -> str:
    """Stop Bitbucket, keep the machine from starting it by itself (at a boot, or at the end of its set-up)."""
    return _UNIT.format(unit=_unit(service)) + _STOP


def start(service: str) -> str:
    """Start Bitbucket again on a machine where ``stop`` stopped it."""
    return _UNIT.format(unit=_unit(service)) + _START


def _unit(service: str) -> str:
    return shlex.quote(service if service.endswith(".service") else f"{service}.service")


_UNIT = """set -eu
unit={unit}
rule="${{BBDC_ROOT:-}}/etc/systemd/system/$unit.d/bbdc-restore.conf"
"""
_STOP = """mkdir -p "${rule%/*}"
# A condition that is never met. It holds where the unit is not installed yet, which `systemctl mask` could not do.
printf '[Unit]\nConditionPathExists=!/\n' >"$rule"
systemctl daemon-reload
code=0
systemctl stop "$unit" || code=$?
# 5: there is no such unit, so nothing runs.
if [ "$code" -ne 0 ] && [ "$code" -ne 5 ]; then exit "$code"; fi
if systemctl is-active --quiet "$unit"; then echo "$unit still runs" >&2; exit 1; fi
echo stopped
"""
_START = """rm -f "$rule"
systemctl daemon-reload
systemctl start "$unit"
echo started
"""
_HOME = """set -eu
home="${{BBDC_ROOT:-}}"{home}
[ -d "$home/data/repositories" ] || {{ echo "there is no shared home at $home" >&2; exit 1; }}
file="$home/bitbucket.properties"
[ -e "$file" ] || {{ : >"$file"; chown --reference="$home" "$file"; }}
without() {{ grep -v '^[[:space:]]*disaster[.]recovery[=:[:space:]]' "$file" || true; }}
replace() {{
  cat >"$file.bbdc"
  chown --reference="$file" "$file.bbdc"
  chmod --reference="$file" "$file.bbdc"
  mv -f "$file.bbdc" "$file"
}}
"""
_PREPARE = """rm -f "$home/.lock"
removed=$(find "$home/data/repositories" -name '*.lock' -type f -print -delete | wc -l)
{ without; echo 'disaster.recovery=true'; } | replace
echo "$removed lock files removed"
"""
_END = """without | replace
echo "integrity checking is off"
"""
