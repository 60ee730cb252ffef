# What is particular to Azure: no command-line tool of the cloud is installed, so its services are asked with curl.

SECRET_TRIES="${BBDC_SECRET_TRIES:-240}" # 20 minutes: Azure says up to ten for a right that was just granted
METADATA=http://169.254.169.254/metadata/identity/oauth2/token

# The network's security groups are the firewall; a second one on the machine would have to know every port as well.
prepare_machine() {
  if systemctl is-active --quiet firewalld; then systemctl disable --now firewalld; fi
}

# member NAME: one member of the JSON object on standard input
member() { python3 -c 'import json, sys; sys.stdout.write(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

# token RESOURCE: a token of this machine's own identity
token() {
  curl --fail --silent --show-error --max-time 20 --header Metadata:true --get \
    --data-urlencode "api-version=2018-02-01" --data-urlencode "resource=$1" --data-urlencode "client_id=$IDENTITY_CLIENT_ID" \
    "$METADATA" | member access_token
}

# ask RESOURCE ARGUMENT...: curl with a token, which no list of processes shows
ask() {
  local bearer
  bearer=$(token "$1") || return 1
  shift
  printf 'header = "Authorization: Bearer %s"\n' "$bearer" | curl --fail --silent --show-error --config - "$@"
}

secret() { retry "$SECRET_TRIES" "read the secret ${1##*/}" read_secret "$1"; }

read_secret() { ask https://vault.azure.net --max-time 20 "$1?api-version=7.4" | member value; }

# azblob://ACCOUNT/CONTAINER/PATH
fetch_from_bucket() {
  local place=${ARCHIVE_URL#azblob://}
  ask https://storage.azure.com --location --connect-timeout 20 --header "x-ms-version: 2021-08-06" --output "$1" \
    "https://${place%%/*}.blob.$STORAGE_DOMAIN/${place#*/}"
}

# Hazelcast finds machines by the name of a tag, whose value is the port.
discovery_properties() {
  property hazelcast.network.azure true
  property hazelcast.network.azure.cluster.id "$MEMBER_TAG"
  property hazelcast.network.azure.group.name "$RESOURCE_GROUP"
  property hazelcast.network.azure.subscription.id "$SUBSCRIPTION"
}
