# The shared home's server: one data volume, exported over NFSv3 to the estate's network. Safe to run again.

MOUNT="${SHARED_HOME_EXPORT%/*}"
DEVICE="$ROOT/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_${DATA_VOLUME/-/}"

wait_for_volume() { retry 60 "wait for volume $DATA_VOLUME" test -e "$DEVICE"; }

# A volume is formatted only when nothing at all is found on it. Anything unclear is somebody's data.
format_if_blank() {
  local found status=0
  found=$(blkid --probe --output value --match-tag TYPE "$DEVICE") || status=$?
  case "$status:$found" in
    2:) mkfs.xfs -L BB-Shared "$DEVICE" ;;
    0:xfs) log "volume $DATA_VOLUME holds a file system already" ;;
    *) die "volume $DATA_VOLUME holds '$found' (blkid says $status): not touched" ;;
  esac
}

mount_volume() {
  mkdir -p "$ROOT$MOUNT"
  # nofail: a machine without its disk must still boot far enough to be repaired.
  mount_at_boot "${DEVICE#"$ROOT"}" "$MOUNT" xfs defaults,noatime,nofail
  mountpoint -q "$ROOT$MOUNT" || mount "$ROOT$MOUNT"
  xfs_growfs "$ROOT$MOUNT" >/dev/null
  mkdir -p "$ROOT$SHARED_HOME_EXPORT"
  chown "$BITBUCKET_UID:$BITBUCKET_UID" "$ROOT$SHARED_HOME_EXPORT"
  chmod 0750 "$ROOT$SHARED_HOME_EXPORT"
}

export_shared_home() {
  # root of a node acts as the account that owns the shared home, and as nobody else.
  local who="root_squash,anonuid=$BITBUCKET_UID,anongid=$BITBUCKET_UID"
  # mp: never export the empty directory under a volume that is not mounted.
  printf '%s %s(rw,sync,no_subtree_check,%s,mp=%s)\n' "$SHARED_HOME_EXPORT" "$NETWORK" "$who" "$MOUNT" |
    put 0644 /etc/exports.d/bitbucket-dc.exports
  printf '[nfsd]\nthreads=64\n[mountd]\nport=32767\n[statd]\nport=32765\noutgoing-port=32766\n[lockd]\nport=32768\nudp-port=32768\n' |
    put 0644 /etc/nfs.conf.d/bitbucket-dc.conf
  printf 'options lockd nlm_tcpport=32768 nlm_udpport=32768\n' | put 0644 /etc/modprobe.d/bitbucket-dc.conf
  printf '[Unit]\nRequiresMountsFor=%s\n' "$MOUNT" | put 0644 /etc/systemd/system/nfs-server.service.d/bitbucket-dc.conf
  systemctl daemon-reload
  systemctl enable --now rpcbind rpc-statd nfs-server
  exportfs -ra
}

main() {
  install_packages nfs-utils xfsprogs
  wait_for_volume
  format_if_blank
  mount_volume
  export_shared_home
  log "the shared home is exported to $NETWORK"
}

main
