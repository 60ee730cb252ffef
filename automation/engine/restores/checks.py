"""What is run on a drill's machine: POSIX shell with git and psql, that prints one line of JSON at its end.

The database's password is read by the machine itself, from the cloud's secret store; it passes through no argument and
no output. Tables are Bitbucket's own: ``project``, ``repository``, ``sta_normal_user``.
"""

from __future__ import annotations

import shlex
from zlib import crc32

from automation.ports.drills import Place

MOUNTS = "/srv/drill"
"""Where the machine mounts the restored disks, each under the name of its device."""
_LONGEST = 20
"""Ids named in an answer: clouds cut a command's output."""


def script(place: Place, *, sample: int, seed: str) -> str:
    """Return the checks for a place.

    Args:
        place: ready, with machine, devices and database.
        sample: number of repositories for ``git fsck``.
        seed: makes the sample repeatable.
    """
    values = {
        "DEVICES": " ".join(place.devices),
        "HOME_DEVICE": place.devices[0],
        "PGHOST": place.database_host,
        "PGPORT": str(place.database_port),
        "SAMPLE": str(sample),
        "SEED": str(crc32(seed.encode())),
    }
    header = "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
    password = f"PGPASSWORD=$({place.password_command})\n"
    return f"set -eu\n{header}{_MOUNT}{password}{_DATABASE}{_REPOSITORIES}{_ANSWER}"


_MOUNT = f"""
root="${{BBDC_ROOT:-}}{MOUNTS}"
# Linux may know the disk by another name: an older form, or that of an NVMe disk on Azure. A disk made from a snapshot
# bears the old disk's id, which must not be in the way; that its file system was in use shows in its log, which the
# mount plays back as after a power cut.
for device in $DEVICES; do
  if [ -n "$(ls -A "$root/$device" 2>/dev/null)" ]; then continue; fi
  mkdir -p "$root/$device"
  place="/dev/$device"
  case "$device" in
    sd*) other="/dev/xvd${{device#sd}}" ;;
    *) other="/dev/disk/azure/data/by-lun/${{device##*lun}}" ;;
  esac
  if [ ! -e "$place" ]; then place=$other; fi
  mount -t xfs -o nouuid "$place" "$root/$device" >&2
done
repositories="$root/$HOME_DEVICE/shared/data/repositories"
[ -d "$repositories" ] || {{ echo "there are no repositories on the restored disk" >&2; exit 1; }}
"""
_DATABASE = """
for tool in git psql; do
  # Amazon Linux names the client after its version, others do not.
  command -v $tool >/dev/null || dnf --assumeyes --quiet install git postgresql15 >&2 ||
    dnf --assumeyes --quiet install git postgresql >&2
done
PGUSER=bitbucket PGDATABASE=bitbucket PGSSLMODE=${PGSSLMODE:-require}
export PGHOST PGPORT PGPASSWORD PGUSER PGDATABASE PGSSLMODE
ask() { psql -X -A -t -q -v ON_ERROR_STOP=1 -c "$1"; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ask 'select id from repository order by id' >"$work/rows"
rows=$(grep -c . "$work/rows" || true)
projects=$(ask 'select count(*) from project')
users=$(ask 'select count(*) from sta_normal_user')
"""
_REPOSITORIES = """
: >"$work/missing"; : >"$work/unreadable"; : >"$work/failed"; references=0
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'
while read -r id; do
  dir="$repositories/$id"
  if [ ! -d "$dir/objects" ]; then echo "$id" >>"$work/missing"; continue; fi
  if git --git-dir="$dir" for-each-ref --format='%(objecttype)' >"$work/refs" 2>/dev/null; then
    references=$((references + $(grep -c . "$work/refs" || true)))
  else
    echo "$id" >>"$work/unreadable"
  fi
done <"$work/rows"
directories=$(find "$repositories" -mindepth 1 -maxdepth 1 -type d | wc -l)
awk -v seed="$SEED" 'BEGIN { srand(seed) } { print rand(), $1 }' "$work/rows" | sort | head -n "$SAMPLE" >"$work/sample"
sampled=0
fsck() { git --git-dir="$1" fsck --full --no-dangling --no-progress >/dev/null 2>&1; }
while read -r _ id; do
  [ -d "$repositories/$id/objects" ] || continue
  sampled=$((sampled + 1))
  fsck "$repositories/$id" || echo "$id" >>"$work/failed"
done <"$work/sample"
"""
_ANSWER = f"""
names() {{ head -n {_LONGEST} "$1" | awk '{{ printf "%s\\"%s\\"", (NR > 1 ? ", " : ""), $1 }}'; }}
printf '{{"rows": %d, "projects": %d, "users": %d, "directories": %d, "references": %d, ' \\
  "$rows" "$projects" "$users" "$directories" "$references"
printf '"missing": [%s], "unreadable": [%s], "sampled": %d, "fsck_failed": [%s]}}\\n' \\
  "$(names "$work/missing")" "$(names "$work/unreadable")" "$sampled" "$(names "$work/failed")"
"""
