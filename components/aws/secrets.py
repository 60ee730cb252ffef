"""The estate's secrets, in Secrets Manager: machines fetch them at boot, and user data never carries them.

Why the database password is generated here and not managed by RDS: RDS changes a managed password every seven days,
and Bitbucket reads it at start only. Each node would lose the database when its pool next opens a connection.
In Pulumi's state the values are encrypted; after the first run the stored value wins over a newly generated one.
"""

import secrets

import pulumi
import pulumi_aws as aws

from components.naming import Estate
from components.spec import SearchSpec, SetupSpec
from components.tokens import type_token

RANDOM_BYTES = 32
RECOVERY_DAYS = 30


class AwsSecrets(pulumi.ComponentResource):
    """One secret per value, so that each can be read, changed and audited alone."""

    arns: dict[str, pulumi.Output[str]]
    """ARNs by name: ``database``, ``hazelcast`` and, where they are used, ``search``, ``license``, ``admin``."""
    database_password: pulumi.Output[str]
    """Password of the database's user. Secret."""

    def __init__(
        self,
        name: str,
        estate: Estate,
        *,
        key_arn: pulumi.Input[str],
        search: SearchSpec | None,
        setup: SetupSpec | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token("AwsSecrets"), name, {}, opts)
        self._name, self._estate, self._key_arn = name, estate, key_arn
        self.arns = {}
        database = self._keep("database", None)
        # Through the stored version: whatever was generated in this run, the database gets what the nodes will read.
        self.database_password = pulumi.Output.secret(database.secret_string)
        self._keep("hazelcast", None)
        if search is not None and search.password is not None:
            self._keep("search", search.password)
        if setup is not None:
            self._keep("license", setup.license)
            self._keep("admin", setup.admin_password)
        self.register_outputs({"arns": self.arns})

    def _keep(self, what: str, value: pulumi.Input[str] | None) -> aws.secretsmanager.SecretVersion:
        """Store ``value``, or a random one that is generated once."""
        child, estate = f"{self._name}-{what}", self._estate
        secret = aws.secretsmanager.Secret(
            child,
            description=f"{what} of {estate.cluster}",
            kms_key_id=self._key_arn,
            recovery_window_in_days=RECOVERY_DAYS if estate.protect_data else 0,
            tags=estate.tagged(child),
            opts=pulumi.ResourceOptions(parent=self, protect=estate.protect_data),
        )
        self.arns[what] = secret.arn
        generated = value is None
        return aws.secretsmanager.SecretVersion(
            child,
            secret_id=secret.id,
            secret_string=pulumi.Output.secret(secrets.token_urlsafe(RANDOM_BYTES) if value is None else value),
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=estate.protect_data,
                ignore_changes=["secretString"] if generated else None,
            ),
        )
