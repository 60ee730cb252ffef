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
    return _HEAD.format(home=shlex.quote(home)) + _PREPARE


def end_checking(home: str) -> str:
    """Switch integrity checking off again."""
    return _HEAD.format(home=shlex.quote(home)) + _END


def stop(service: str) -> str:
    """Stop Bitbucket and say whether it has stopped; the machine must not start it again by itself."""
    unit = shlex.quote(service)
    return (
        f"systemctl stop {unit}\nif systemctl is-active --quiet {unit}; then echo running; exit 1; fi\necho stopped\n"
    )


_HEAD = """set -eu
home="${{BBDC_ROOT:-}}"{home}
[ -d "$home/data/repositories" ] || {{ echo "there is no shared home at $home" >&2; exit 1; }}
file="$home/bitbucket.properties"
[ -e "$file" ] || : >"$file"
without() {{ grep -v '^[[:space:]]*disaster[.]recovery[[:space:]]*=' "$file" || true; }}
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
