# A Bitbucket node: installs BITBUCKET_VERSION beside any older one and starts it. Safe to run again.

INSTALL=/opt/atlassian/bitbucket
BITBUCKET_HOME=/var/atlassian/application-data/bitbucket
SHARED="$ROOT$BITBUCKET_HOME/shared"
DEPOT="$SHARED/bitbucket-dc" # our own corner: archives, locks, markers
NFS_OPTIONS=rw,nfsvers=3,lookupcache=pos,noatime,intr,rsize=32768,wsize=32768,_netdev
INSTANCE=$(cat "$ROOT/var/lib/cloud/data/instance-id")

LOCK_BEAT="${BBDC_LOCK_BEAT:-15}"
LOCK_STALE="${BBDC_LOCK_STALE:-180}"   # longer than NFS may cache an age (60 s) plus some beats
LOCK_TRIES="${BBDC_LOCK_TRIES:-2880}"  # four hours
START_TRIES="${BBDC_START_TRIES:-360}" # half an hour

HELD='' HEARTBEAT='' HALF=''

clean_up() {
  release_lock
  if [ -n "$HALF" ]; then rm -rf "$HALF"; fi
}
trap clean_up EXIT

# --- One machine at a time -----------------------------------------------------------------------------------------
# A directory made in the shared home is the lock; its age tells a holder that died.

# with_lock NAME COMMAND...
with_lock() {
  take_lock "$DEPOT/locks/$1"
  shift
  "$@"
  release_lock
}

take_lock() {
  local lock=$1 try
  mkdir -p "$DEPOT/locks"
  for ((try = 1; ; try++)); do
    if mkdir "$lock" 2>/dev/null; then break; fi
    if ((try > LOCK_TRIES)); then die "lock $lock: still held by $(cat "$lock/holder" 2>/dev/null || true)"; fi
    break_stale_lock "$lock"
    sleep "$RETRY_SECONDS"
  done
  HELD=$lock
  printf '%s\n' "$INSTANCE" >"$lock/holder"
  (while sleep "$LOCK_BEAT"; do touch -c "$lock"; done) >/dev/null 2>&1 &
  HEARTBEAT=$!
}

release_lock() {
  if [ -z "$HELD" ]; then return 0; fi
  kill "$HEARTBEAT" 2>/dev/null || true
  rm -rf "$HELD"
  HELD=''
}

# Both ages are the file server's, so clocks of machines do not matter.
lock_is_stale() {
  local probe="$DEPOT/locks/.now.$INSTANCE" now beat
  touch "$probe"
  now=$(stat -c %Y "$probe")
  beat=$(stat -c %Y "$1" 2>/dev/null) || return 1
  ((now - beat > LOCK_STALE))
}

break_stale_lock() {
  # Two waiting machines must not break one after the other: the second would break a lock that is new.
  mkdir "$1.breaking" 2>/dev/null || return 0
  if lock_is_stale "$1"; then
    log "lock $1: its holder $(cat "$1/holder" 2>/dev/null || true) is silent, broken"
    rm -rf "$1"
  fi
  rmdir "$1.breaking"
}

# --- The machine ---------------------------------------------------------------------------------------------------

create_account() {
  getent group bitbucket >/dev/null || groupadd --gid "$BITBUCKET_UID" bitbucket
  getent passwd bitbucket >/dev/null ||
    useradd --uid "$BITBUCKET_UID" --gid bitbucket --home-dir "$BITBUCKET_HOME" --no-create-home --shell /sbin/nologin bitbucket
  mkdir -p "$SHARED"
  chown bitbucket:bitbucket "$ROOT$BITBUCKET_HOME"
  chmod 0750 "$ROOT$BITBUCKET_HOME"
}

mount_shared_home() {
  # NFSv3 locks need fixed ports to pass the firewall, and shared/.lock is a real lock.
  printf '[statd]\nport=32765\noutgoing-port=32766\n[lockd]\nport=32768\nudp-port=32768\n' | put 0644 /etc/nfs.conf.d/bitbucket-dc.conf
  printf 'options lockd nlm_tcpport=32768 nlm_udpport=32768\n' | put 0644 /etc/modprobe.d/bitbucket-dc.conf
  systemctl enable --now rpcbind rpc-statd
  mount_at_boot "$SHARED_HOME_SERVER:$SHARED_HOME_EXPORT" "$BITBUCKET_HOME/shared" nfs "$NFS_OPTIONS"
  # The file server may boot later than we do.
  mountpoint -q "$SHARED" || retry 60 "mount the shared home" mount "$SHARED"
  local owner
  owner=$(stat -c %u "$SHARED")
  [ "$owner" = "$BITBUCKET_UID" ] || die "the shared home belongs to uid $owner, not to $BITBUCKET_UID: set the input uid to $owner"
}

# --- The archive ---------------------------------------------------------------------------------------------------

checksum() { sha256sum "$1" | cut -d ' ' -f 1; }

fetch() {
  case "$ARCHIVE_URL" in
    https://* | http://*) curl --fail --silent --show-error --location --connect-timeout 20 --output "$1" "$ARCHIVE_URL" ;;
    *) fetch_from_bucket "$1" ;;
  esac
}

# Given by the operator, or recorded by the first node that fetched this version: never two different archives.
expected_checksum() {
  if [ -n "$ARCHIVE_SHA256" ]; then
    printf '%s' "$ARCHIVE_SHA256"
  elif [ -f "$1.sha256" ]; then
    cat "$1.sha256"
  fi
}

fetch_archive() {
  local archive=$1 expected actual
  expected=$(expected_checksum "$archive")
  if [ -f "$archive" ] && [ "$(checksum "$archive")" = "$expected" ]; then return 0; fi
  HALF="$archive.$INSTANCE"
  retry 5 "fetch $ARCHIVE_URL" fetch "$HALF"
  actual=$(checksum "$HALF")
  if [ -n "$expected" ] && [ "$actual" != "$expected" ]; then
    die "$ARCHIVE_URL has SHA-256 $actual, expected $expected: nothing was installed"
  fi
  printf '%s' "$actual" >"$archive.sha256.new"
  mv -fT "$archive.sha256.new" "$archive.sha256"
  mv -fT "$HALF" "$archive"
  HALF=''
}

install_bitbucket() {
  local target="$ROOT$INSTALL/$BITBUCKET_VERSION" archive="$DEPOT/archives/atlassian-bitbucket-$BITBUCKET_VERSION.tar.gz"
  if [ ! -d "$target" ]; then
    mkdir -p "$DEPOT/archives"
    with_lock "archive-$BITBUCKET_VERSION" fetch_archive "$archive"
    unpack "$archive" "$target"
  fi
  ln -sfn "$BITBUCKET_VERSION" "$ROOT$INSTALL/current.new"
  mv -fT "$ROOT$INSTALL/current.new" "$ROOT$INSTALL/current"
}

unpack() {
  HALF="$ROOT$INSTALL/.$BITBUCKET_VERSION.unpacking"
  rm -rf "$HALF"
  mkdir -p "$HALF"
  tar --extract --gzip --no-same-owner --strip-components=1 --file "$1" --directory "$HALF"
  [ -x "$HALF/bin/start-bitbucket.sh" ] || die "$ARCHIVE_URL holds no bin/start-bitbucket.sh: it is no Bitbucket archive"
  chown -R root:root "$HALF"
  chmod -R u=rwX,g=rX,o=rX "$HALF"
  mv -fT "$HALF" "$2"
  HALF=''
}

# --- Settings ------------------------------------------------------------------------------------------------------

# property NAME VALUE: one line of a Java properties file
property() {
  local value=${2//\\/\\\\}
  printf '%s=%s\n' "$1" "${value//$'\n'/}"
}

is_before() { [ "$1" != "$2" ] && [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

cluster_properties() {
  local password
  password=$(secret "$HAZELCAST_SECRET")
  property hazelcast.port 5701
  property hazelcast.network.multicast false
  discovery_properties
  property hazelcast.group.name "$BBDC_CLUSTER"
  property hazelcast.group.password "$password"
}

database_properties() {
  local password
  password=$(secret "$DATABASE_SECRET")
  property jdbc.driver org.postgresql.Driver
  property jdbc.url "jdbc:postgresql://$DATABASE_HOST:$DATABASE_PORT/$DATABASE_NAME?sslmode=require"
  property jdbc.user "$DATABASE_USER"
  property jdbc.password "$password"
}

proxy_properties() {
  local scheme=${BASE_URL%%://*} host=${BASE_URL#*://} port
  case "$host" in
    *:*) port=${host##*:} host=${host%:*} ;;
    *) if [ "$scheme" = https ]; then port=443; else port=80; fi ;;
  esac
  property server.proxy-name "$host"
  property server.proxy-port "$port"
  property server.scheme "$scheme"
  if [ "$scheme" = https ]; then property server.secure true; else property server.secure false; fi
  property plugin.ssh.baseurl "$SSH_BASE_URL"
}

search_properties() {
  if [ -z "$SEARCH_URL" ]; then return 0; fi
  local prefix=plugin.search.config password
  if is_before "$BITBUCKET_VERSION" 7.21; then prefix=plugin.search.elasticsearch; fi
  property "$prefix.baseurl" "$SEARCH_URL"
  if [ -n "$SEARCH_USER" ]; then property "$prefix.username" "$SEARCH_USER"; fi
  if [ -n "$SEARCH_SECRET" ]; then
    password=$(secret "$SEARCH_SECRET")
    property "$prefix.password" "$password"
  fi
  if [ -n "$SEARCH_REGION" ]; then property "$prefix.aws.region" "$SEARCH_REGION"; fi
}

# Only until the first start has succeeded: a licence and a password need not lie in a file for ever.
setup_properties() {
  if [ -z "$LICENSE_SECRET" ] || [ -e "$DEPOT/set-up" ]; then return 0; fi
  local license password
  license=$(secret "$LICENSE_SECRET")
  password=$(secret "$ADMIN_SECRET")
  property setup.displayName Bitbucket
  property setup.baseUrl "$BASE_URL"
  property setup.license "$license"
  property setup.sysadmin.username "$ADMIN_USER"
  property setup.sysadmin.displayName "$ADMIN_USER"
  property setup.sysadmin.emailAddress "$ADMIN_EMAIL"
  property setup.sysadmin.password "$password"
}

# Our lines stand between two marks at the top of the shared file. Everything below is the administrator's, kept as it
# is, and wins, because the last value of a property counts.
write_settings() {
  local file="$SHARED/bitbucket.properties" begin='# BEGIN bitbucket-dc: written by each new node' end='# END bitbucket-dc'
  HALF="$file.$INSTANCE"
  (
    umask 077
    {
      printf '%s\n' "$begin"
      cluster_properties
      database_properties
      proxy_properties
      search_properties
      setup_properties
      printf '%s\n' "$end"
    } >"$HALF"
    if [ -f "$file" ]; then sed "/^$begin\$/,/^$end\$/d" "$file" >>"$HALF"; fi
  )
  chmod 0600 "$HALF"
  mv -fT "$HALF" "$file"
  HALF=''
}

write_service() {
  local java
  java=$(readlink -f "$(command -v java)")
  put 0644 /etc/bitbucket-dc/bitbucket.env <<EOF
BITBUCKET_HOME=$BITBUCKET_HOME
JAVA_HOME=${java%/bin/java}
JRE_HOME=${java%/bin/java}
JVM_MINIMUM_MEMORY=$JVM_HEAP
JVM_MAXIMUM_MEMORY=$JVM_HEAP
JVM_SUPPORT_RECOMMENDED_ARGS="-Dcluster.node.name=$INSTANCE${JVM_ARGUMENTS:+ $JVM_ARGUMENTS}"
LANG=C.UTF-8
EOF
  # KillMode: the default would end running git processes at once. TimeoutStopSec: Bitbucket's own grace period is 30 s.
  # Restart=no: a node that was refused at joining must not knock again and again.
  put 0644 /etc/systemd/system/bitbucket.service <<EOF
[Unit]
Description=Bitbucket Data Center node
After=network-online.target remote-fs.target
Wants=network-online.target
RequiresMountsFor=$BITBUCKET_HOME/shared

[Service]
Type=forking
User=bitbucket
Group=bitbucket
EnvironmentFile=/etc/bitbucket-dc/bitbucket.env
ExecStart=$INSTALL/current/bin/start-bitbucket.sh --no-search
ExecStop=$INSTALL/current/bin/stop-bitbucket.sh
PIDFile=$BITBUCKET_HOME/log/bitbucket.pid
KillMode=mixed
SuccessExitStatus=143
TimeoutStartSec=infinity
TimeoutStopSec=120
LimitNOFILE=65536
UMask=0027
Restart=no

[Install]
WantedBy=multi-user.target
EOF
}

# --- Start ---------------------------------------------------------------------------------------------------------

# RUNNING is not "joined": whether this node found the others is judged by the automation, not here.
wait_until_up() {
  local try status
  for ((try = 1; try <= START_TRIES; try++)); do
    status=$(curl --silent --max-time 5 http://127.0.0.1:7990/status || true)
    case "$status" in
      *'"RUNNING"'*) STATE=RUNNING && return 0 ;;
      *'"FIRST_RUN"'*) STATE=FIRST_RUN && return 0 ;;
      *'"ERROR"'*) die "Bitbucket reports ERROR: see $BITBUCKET_HOME/log/atlassian-bitbucket.log" ;;
    esac
    if systemctl is-failed --quiet bitbucket; then die "bitbucket.service failed: see journalctl -u bitbucket"; fi
    sleep "$RETRY_SECONDS"
  done
  die "Bitbucket is not up after $START_TRIES checks: see $BITBUCKET_HOME/log/atlassian-bitbucket.log"
}

# Nodes that start at the same moment can collide in the database.
bring_up() {
  write_settings
  systemctl start bitbucket
  wait_until_up
  if [ "$STATE" = RUNNING ] && [ ! -e "$DEPOT/set-up" ]; then
    : >"$DEPOT/set-up"
    write_settings
  fi
  log "Bitbucket $BITBUCKET_VERSION is up: $STATE"
}

main() {
  prepare_machine
  install_packages "$JAVA_PACKAGE" git nfs-utils tar gzip fontconfig dejavu-sans-fonts
  create_account
  mount_shared_home
  install_bitbucket
  write_service
  systemctl daemon-reload
  systemctl enable bitbucket
  with_lock start bring_up
}

main
