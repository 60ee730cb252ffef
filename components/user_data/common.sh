set -euo pipefail
umask 022

# Tests run these scripts inside a directory of their own and cannot wait five seconds.
ROOT="${BBDC_ROOT:-}"
RETRY_SECONDS="${BBDC_RETRY_SECONDS:-5}"

log() { printf '%s bitbucket-dc: %s\n' "$(date -u +%FT%TZ)" "$*" >&2; }

die() {
  log "ERROR: $*"
  exit 1
}

# retry TRIES WHAT COMMAND...
retry() {
  local tries=$1 what=$2 try
  shift 2
  for ((try = 1; try <= tries; try++)); do
    if "$@"; then return 0; fi
    log "$what: try $try of $tries failed"
    sleep "$RETRY_SECONDS"
  done
  die "$what: given up after $tries tries"
}

# put MODE PATH: write standard input to a file, which appears whole or not at all
put() {
  local file="$ROOT$2"
  mkdir -p "$(dirname "$file")"
  (umask 077 && cat >"$file.new")
  chmod "$1" "$file.new"
  mv -fT "$file.new" "$file"
}

# mount_at_boot SOURCE DIRECTORY TYPE OPTIONS: keep one line for the directory
mount_at_boot() {
  local table="$ROOT/etc/fstab"
  { grep -v "[[:space:]]$2[[:space:]]" "$table" 2>/dev/null || true; printf '%s %s %s %s 0 0\n' "$@"; } | put 0644 /etc/fstab
}

install_packages() {
  retry 10 "install packages" \
    dnf --assumeyes --quiet --setopt=install_weak_deps=False install "$@"
}
