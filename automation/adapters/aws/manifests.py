"""Manifests of backup sets in S3 (``ports.vaults.Manifests``): one object a set, versioned and encrypted by the bucket.

The bucket is the one that the settings name, or the one with the cluster's tag that the estate's own program makes,
``{cluster}-backups-{account}-{region}``.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from automation.adapters.aws import tags
from automation.adapters.aws.session import Caller
from automation.core.backups.manifest import from_json, to_json
from automation.core.backups.sets import BackupSet
from automation.ports.errors import Forbidden, NotFound, Unexpected

_LONGEST_NAME = 63


class S3Manifests:
    """Implements ``ports.vaults.Manifests`` over one S3 bucket."""

    def __init__(self, caller: Caller, cluster: str, bucket: str | None = None) -> None:
        self._caller = caller
        self._cluster = cluster
        self._bucket = bucket
        self._account: tuple[str, str] | None = None

    @property
    def calls(self) -> int:
        """Requests sent so far, retries included."""
        return self._caller.calls

    def place(self) -> str:
        """Return the place as a URL.

        Raises:
            NotFound: there is no bucket.
        """
        return f"s3://{self._found()}/{self._prefix}"

    def account(self) -> tuple[str, str]:
        """Return (account, region)."""
        if self._account is None:
            who = self._caller.call("sts", "get_caller_identity")
            self._account = (str(who["Account"]), self._caller.region)
        return self._account

    def write(self, manifest: BackupSet) -> None:
        """Put the object; the bucket encrypts it and keeps what it replaces."""
        self._caller.call(
            "s3",
            "put_object",
            Bucket=self._found(),
            Key=self._key(manifest.id),
            Body=(json.dumps(to_json(manifest), indent=2, ensure_ascii=False) + "\n").encode(),
            ContentType="application/json",
        )

    def read(self, set_id: str) -> BackupSet:
        """Get a set's object."""
        try:
            return self._read(self._key(set_id))
        except NotFound as error:
            raise NotFound(
                f"there is no backup set {set_id} in {self.place()}", hint="`bbdc backup list` shows all"
            ) from error

    def all(self) -> tuple[BackupSet, ...]:
        """Get every object of the cluster."""
        found = self._caller.pages("s3", "list_objects_v2", "Contents", Bucket=self._found(), Prefix=self._prefix)
        keys = [str(one["Key"]) for one in found if str(one["Key"]).endswith(".json")]
        return tuple(sorted((self._read(key) for key in keys), key=lambda each: (each.created, each.id)))

    def remove(self, set_id: str) -> None:
        """Delete the object; its versions stay for as long as the bucket keeps them."""
        self._caller.call("s3", "delete_object", Bucket=self._found(), Key=self._key(set_id))

    @property
    def _prefix(self) -> str:
        return f"sets/{self._cluster}/"

    def _key(self, set_id: str) -> str:
        return f"{self._prefix}{set_id}.json"

    def _read(self, key: str) -> BackupSet:
        body = self._caller.body("s3", "get_object", Bucket=self._found(), Key=key)
        try:
            return from_json(json.loads(body))
        except ValueError as error:
            raise Unexpected(
                f"s3://{self._found()}/{key} is no manifest of ours: {error}",
                hint="the bucket keeps earlier versions: restore one, or remove the object",
            ) from error

    def _found(self) -> str:
        if self._bucket is None:
            self._bucket = self._tagged()
        return self._bucket

    def _tagged(self) -> str:
        """Return the bucket under the name that the estate's program gives it, or else by its tag."""
        account, region = self.account()
        usual = usual_name(self._cluster, account, region)
        if self._is_ours(usual):
            return usual
        names = [str(one["Name"]) for one in self._caller.call("s3", "list_buckets").get("Buckets", ())]
        # Only names that can be ours are asked for their tags: an account may have hundreds.
        mine = sorted(name for name in names if name.startswith(self._cluster) and self._is_ours(name))
        if not mine:
            raise NotFound(
                f"no bucket for the manifests of cluster {self._cluster} in account {account}, {region}",
                hint="`pulumi up` makes it; or name one: BBDC_BACKUP__BUCKET",
            )
        if len(mine) > 1:
            hint = "name the right one: BBDC_BACKUP__BUCKET"
            raise Unexpected(f"several buckets carry {tags.CLUSTER}={self._cluster}: {', '.join(mine)}", hint=hint)
        return mine[0]

    def _is_ours(self, name: str) -> bool:
        try:
            answer: dict[str, Any] = self._caller.call("s3", "get_bucket_tagging", Bucket=name)
        except (NotFound, Forbidden):  # untagged, or somebody else's
            return False
        return tags.read(answer.get("TagSet")).get(tags.CLUSTER) == self._cluster


def usual_name(cluster: str, account: str, region: str) -> str:
    """Return ``{cluster}-backups-{account}-{region}``; a cluster's name that is too long is cut, its digest added."""
    ending = f"-backups-{account}-{region}"
    room = _LONGEST_NAME - len(ending)
    if len(cluster) <= room:
        return cluster + ending
    digest = hashlib.sha256(cluster.encode()).hexdigest()[:6]
    return f"{cluster[: room - len(digest) - 1].rstrip('-')}-{digest}{ending}"
