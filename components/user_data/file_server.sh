# The shared home's server: one data volume, exported over NFSv3 to the estate's network. Safe to run again.
#
# Which volume it is may change while the machine is stopped: another generation of the data is attached in its place.
# So the volume is found by the place where it is attached, anew at every boot.

MOUNT="${SHARED_HOME_EXPORT%/*}"
SERVICE=bitbucket-dc-shared-home
PROGRAM="/usr/local/sbin/$SERVICE"

# Amazon Linux links the disk to the name it was attached under, or to the older form of that name. On Azure the link
# names the disk's number, in one place for SCSI disks and in another for NVMe disks.
find_device() {
  local place
  for place in "$DATA_DEVICE" "${DATA_DEVICE/sd/xvd}" "${DATA_DEVICE/scsi1\/lun/data\/by-lun\/}"; do
    DEVICE="$ROOT$place"
    if [ -e "$DEVICE" ]; then return 0; fi
  done
  return 1
}

# A volume is formatted only when nothing at all is found on it. Anything unclear is somebody's data.
format_if_blank() {
  local found status=0
  found=$(blkid --probe --output value --match-tag TYPE "$DEVICE") || status=$?
  case "$status:$found" in
    2:) mkfs.xfs -L BB-Shared "$DEVICE" ;;
    0:xfs) log "the volume at $DATA_DEVICE holds a file system already" ;;
    *) die "the volume at $DATA_DEVICE holds '$found' (blkid says $status): not touched" ;;
  esac
}

mount_volume() {
  retry 60 "wait for a volume at $DATA_DEVICE" find_device
  if ! mountpoint -q "$ROOT$MOUNT"; then
    format_if_blank
    mkdir -p "$ROOT$MOUNT"
    mount -t xfs -o noatime "$DEVICE" "$ROOT$MOUNT"
  fi
  # A volume may be larger than the snapshot that it was made from.
  xfs_growfs "$ROOT$MOUNT" >/dev/null
  mkdir -p "$ROOT$SHARED_HOME_EXPORT"
  chown "$BITBUCKET_UID:$BITBUCKET_UID" "$ROOT$SHARED_HOME_EXPORT"
  chmod 0750 "$ROOT$SHARED_HOME_EXPORT"
}

# What mounts the volume now also does it at every boot: these very functions, in a program of their own.
install_mount() {
  {
    printf '#!/bin/bash\nset -euo pipefail\nROOT="${BBDC_ROOT:-}"\nRETRY_SECONDS="${BBDC_RETRY_SECONDS:-5}"\n'
    declare -p BITBUCKET_UID SHARED_HOME_EXPORT DATA_DEVICE MOUNT
    declare -f log die retry find_device format_if_blank mount_volume
    printf 'mount_volume\n'
  } | put 0755 "$PROGRAM"
  printf '%s\n' '[Unit]' 'Description=Volume of the shared home' 'Before=nfs-server.service' \
    '[Service]' 'Type=oneshot' 'RemainAfterExit=yes' "ExecStart=$PROGRAM" "ExecStop=/usr/bin/umount $MOUNT" \
    '[Install]' 'WantedBy=multi-user.target' | put 0644 "/etc/systemd/system/$SERVICE.service"
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
  # After, and so stopped before: the volume is not in use when it is unmounted.
  printf '[Unit]\nRequires=%s.service\nAfter=%s.service\n' "$SERVICE" "$SERVICE" |
    put 0644 /etc/systemd/system/nfs-server.service.d/bitbucket-dc.conf
  systemctl daemon-reload
  systemctl enable --now "$SERVICE" rpcbind rpc-statd nfs-server
  exportfs -ra
}

main() {
  prepare_machine
  install_packages nfs-utils xfsprogs
  install_mount
  # Here as well, so that what is wrong with the volume is in the log of the start-up script.
  mount_volume
  export_shared_home
  log "the shared home is exported to $NETWORK"
}

main
