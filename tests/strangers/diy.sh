#!/bin/bash
# Backs a Bitbucket up as a do-it-yourself script does that knows Atlassian's public API and nothing else.
#
# Environment: BITBUCKET_URL, BITBUCKET_USER, BITBUCKET_PASSWORD; BITBUCKET_HOME, the shared home; BITBUCKET_DATABASE,
# a SQLite file; BACKUP_ROOT, where the copy goes. Lines on standard output tell what happened, in order.
# Exit codes: 0 backed up and unlocked; 1 anything else. The lock is released on every way out.
#
# curl reads the password from its standard input and the tokens from files, so that neither is on a command line.
set -euo pipefail

work=$(mktemp -d)
chmod 700 "$work"
unlock_token= cancel_token=

call() { # METHOD PATH [HEADER]: the answer's body goes to $work/body, its status to $status
  local method=$1 path=$2 header=${3:-}
  status=$(
    {
      printf 'user = "%s:%s"\n' "$BITBUCKET_USER" "$BITBUCKET_PASSWORD"
      printf 'url = "%s%s"\n' "$BITBUCKET_URL" "$path"
      [[ -z $header ]] || printf 'header = "%s"\n' "$header"
    } | curl --silent --show-error --max-time 30 --config - --request "$method" \
      --header 'Accept: application/json' --header 'Content-type: application/json' \
      --output "$work/body" --write-out '%{http_code}'
  )
}

field() { # NAME: the first value of that name in the body
  sed -n "s/.*\"$1\"[[:space:]]*:[[:space:]]*\"\([^\"]*\)\".*/\1/p" "$work/body" | head -n 1
}

give_up() {
  echo "error: $*" >&2
  exit 1
}

release() {
  local code=$?
  trap - EXIT
  if [[ -n $unlock_token ]]; then
    [[ -z $cancel_token ]] || call POST "/mvc/maintenance?token=$cancel_token" || true
    for _ in 1 2 3 4 5; do
      call DELETE "/mvc/maintenance/lock?token=$unlock_token" || status=000
      case $status in 200 | 202 | 404) break ;; esac
      sleep 0.2
    done
    case $status in 200 | 202 | 404) echo "unlocked" ;; *) echo "still locked: HTTP $status" >&2 && code=1 ;; esac
  fi
  rm -rf "$work"
  exit "$code"
}
trap release EXIT
trap 'exit 1' INT TERM HUP

call POST /mvc/maintenance/lock
[[ $status == 202 ]] || give_up "the lock was refused: HTTP $status"
unlock_token=$(field unlockToken)
[[ -n $unlock_token ]] || give_up "the lock has no token"
echo "locked"

mine="X-Atlassian-Maintenance-Token: $unlock_token"
call POST '/mvc/admin/backups?external=true' "$mine"
[[ $status == 202 ]] || give_up "the backup was refused: HTTP $status"
cancel_token=$(field cancelToken)
echo "backup started"

for _ in $(seq "${DRAIN_POLLS:-100}"); do
  call GET /mvc/maintenance "$mine"
  [[ $status == 200 ]] || give_up "the backup task is gone: HTTP $status"
  [[ $(field state) == RUNNING ]] || give_up "the backup task ended: $(field state)"
  [[ $(field db-state)$(field scm-state) != DRAINEDDRAINED ]] || break
  sleep 0.1
done
[[ $(field db-state)$(field scm-state) == DRAINEDDRAINED ]] || give_up "it never drained"
echo "drained"

progress() {
  call POST "/mvc/admin/backups/progress/client?token=$unlock_token&percentage=$1"
  [[ $status == 202 ]] || give_up "progress $1 was refused: HTTP $status"
}

mkdir -p "$BACKUP_ROOT"
cp "$BITBUCKET_DATABASE"* "$BACKUP_ROOT/" # the write-ahead log as well: nothing writes now
progress 50
cp -a "$BITBUCKET_HOME/data/repositories" "$BACKUP_ROOT/"
echo "copied"
progress 100
cancel_token=
echo "completed"
