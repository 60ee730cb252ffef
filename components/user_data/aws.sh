# What is particular to AWS.

# Amazon Linux comes as it is needed.
prepare_machine() { :; }

fetch_from_bucket() { aws s3 cp --only-show-errors --region "$AWS_REGION" "$ARCHIVE_URL" "$1"; }

secret() {
  aws secretsmanager get-secret-value --region "$AWS_REGION" --secret-id "$1" --query SecretString --output text
}

discovery_properties() {
  property hazelcast.network.aws true
  property hazelcast.network.aws.iam.role "$NODE_ROLE_NAME"
  property hazelcast.network.aws.region "$AWS_REGION"
  property hazelcast.network.aws.tag.key "$MEMBER_TAG"
  property hazelcast.network.aws.tag.value "$BBDC_CLUSTER"
}
