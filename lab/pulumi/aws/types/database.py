"""The database Instance.

Its id is the service's resource id (`db-ABC...`), as in the genuine provider; calls use the `identifier`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lab.pulumi.aws.naming import AutoName
from lab.pulumi.aws.resource import ResourceType, Task, Update
from lab.pulumi.aws.session import Aws, picked, seen
from lab.pulumi.aws.tagging import RDS, tag_list, tag_map
from lab.pulumi.aws.values import Properties
from lab.pulumi.declared import Failure

_FIXED = {
    "availabilityZone": "AvailabilityZone",
    "characterSetName": "CharacterSetName",
    "dbName": "DBName",
    "engine": "Engine",
    "kmsKeyId": "KmsKeyId",
    "storageEncrypted": "StorageEncrypted",
    "username": "MasterUsername",
}
_ALIKE = {
    "allocatedStorage": "AllocatedStorage",
    "autoMinorVersionUpgrade": "AutoMinorVersionUpgrade",
    "backupRetentionPeriod": "BackupRetentionPeriod",
    "backupWindow": "PreferredBackupWindow",
    "caCertIdentifier": "CACertificateIdentifier",
    "copyTagsToSnapshot": "CopyTagsToSnapshot",
    "deletionProtection": "DeletionProtection",
    "engineVersion": "EngineVersion",
    "instanceClass": "DBInstanceClass",
    "iops": "Iops",
    "licenseModel": "LicenseModel",
    "maintenanceWindow": "PreferredMaintenanceWindow",
    "maxAllocatedStorage": "MaxAllocatedStorage",
    "monitoringInterval": "MonitoringInterval",
    "monitoringRoleArn": "MonitoringRoleArn",
    "multiAz": "MultiAZ",
    "networkType": "NetworkType",
    "publiclyAccessible": "PubliclyAccessible",
    "storageThroughput": "StorageThroughput",
    "storageType": "StorageType",
}
"""Changeable settings that the service describes by the name it takes them by."""
_ASKED = {
    "allowMajorVersionUpgrade": "AllowMajorVersionUpgrade",
    "dbSubnetGroupName": "DBSubnetGroupName",
    "iamDatabaseAuthenticationEnabled": "EnableIAMDatabaseAuthentication",
    "manageMasterUserPassword": "ManageMasterUserPassword",
    "masterUserSecretKmsKeyId": "MasterUserSecretKmsKeyId",
    "optionGroupName": "OptionGroupName",
    "parameterGroupName": "DBParameterGroupName",
    "password": "MasterUserPassword",
    "performanceInsightsEnabled": "EnablePerformanceInsights",
    "performanceInsightsKmsKeyId": "PerformanceInsightsKMSKeyId",
    "performanceInsightsRetentionPeriod": "PerformanceInsightsRetentionPeriod",
    "vpcSecurityGroupIds": "VpcSecurityGroupIds",
}
"""Changeable settings that the service describes in another way, or never (the password)."""
_MODIFIED = {**_ALIKE, **_ASKED, "port": "DBPortNumber"}
_CREATED = {k: v for k, v in {**_FIXED, **_ALIKE, **_ASKED, "port": "Port"}.items() if k != "allowMajorVersionUpgrade"}
_FROM_SNAPSHOT = frozenset(
    {
        "autoMinorVersionUpgrade",
        "availabilityZone",
        "copyTagsToSnapshot",
        "dbSubnetGroupName",
        "deletionProtection",
        "iamDatabaseAuthenticationEnabled",
        "instanceClass",
        "iops",
        "licenseModel",
        "multiAz",
        "networkType",
        "optionGroupName",
        "parameterGroupName",
        "port",
        "publiclyAccessible",
        "storageType",
        "vpcSecurityGroupIds",
    }
)
_MOMENT = {
    "restoreTime": "RestoreTime",
    "sourceDbInstanceAutomatedBackupsArn": "SourceDBInstanceAutomatedBackupsArn",
    "sourceDbInstanceIdentifier": "SourceDBInstanceIdentifier",
    "sourceDbiResourceId": "SourceDbiResourceId",
    "useLatestRestorableTime": "UseLatestRestorableTime",
}
_LOGS = "enabledCloudwatchLogsExports"
_NOT_FOUND = frozenset({"DBInstanceNotFound", "DBInstanceNotFoundFault"})


def _create(aws: Aws, inputs: Properties) -> str:
    """Make the database: blank, from a snapshot, or as another one was at some moment."""
    operation, source = "CreateDBInstance", {"DBInstanceIdentifier": inputs["identifier"]}
    if inputs.get("snapshotIdentifier"):
        operation = "RestoreDBInstanceFromDBSnapshot"
        source["DBSnapshotIdentifier"] = inputs["snapshotIdentifier"]
    elif inputs.get("restoreToPointInTime"):
        operation = "RestoreDBInstanceToPointInTime"
        source = {"TargetDBInstanceIdentifier": inputs["identifier"], **picked(inputs["restoreToPointInTime"], _MOMENT)}
    names = {k: v for k, v in _CREATED.items() if not _restored(inputs) or k in _FROM_SNAPSHOT}
    made = aws.call(
        "rds",
        operation,
        **source,
        **picked(inputs, names),
        EnableCloudwatchLogsExports=inputs.get(_LOGS),
        Tags=tag_list(inputs.get("tags")),
    )
    return str(made["DBInstance"]["DbiResourceId"])


def _restored(inputs: Properties) -> bool:
    return bool(inputs.get("snapshotIdentifier") or inputs.get("restoreToPointInTime"))


def _finish(task: Task) -> None:
    """Wait until the database serves; a restored one then gets the settings that restoring does not take."""
    identifier = task.news["identifier"]
    _wait_available(task, identifier)
    if _restored(task.news):
        left = {k: v for k, v in _MODIFIED.items() if k not in _FROM_SNAPSHOT and k not in _FIXED}
        sent = {k: v for k, v in picked(task.news, left).items() if k not in ("EngineVersion", "AllocatedStorage")}
        task.aws.call("rds", "ModifyDBInstance", DBInstanceIdentifier=identifier, ApplyImmediately=True, **sent)
        _wait_available(task, identifier)


def _found(aws: Aws, identifier: str) -> Any | None:
    """Return the database named by its identifier, or for an import by its resource id."""
    if identifier.startswith("db-"):
        filters = [{"Name": "dbi-resource-id", "Values": [identifier]}]
        listed = aws.call("rds", "DescribeDBInstances", Filters=filters)["DBInstances"]
    else:
        listed = aws.call("rds", "DescribeDBInstances", DBInstanceIdentifier=identifier)["DBInstances"]
    return listed[0] if listed else None


def _wait_available(task: Task, identifier: str) -> None:
    def available() -> bool:
        found = _found(task.aws, identifier)
        return found is not None and found["DBInstanceStatus"] in ("available", "storage-optimization")

    task.aws.wait(f"database {identifier} to be available", available, task.seconds)


def _read(aws: Aws, resource_id: str, state: Properties) -> Properties | None:
    found = _found(aws, state.get("identifier") or resource_id)
    if found is None or found["DBInstanceStatus"] == "deleting":
        return None
    tags = aws.call("rds", "ListTagsForResource", ResourceName=found["DBInstanceArn"])["TagList"]
    return {
        **seen(found, {**_FIXED, **_ALIKE}),
        **_shown_otherwise(found),
        **_reached(found),
        "identifier": found["DBInstanceIdentifier"],
        "engineVersion": _version(state.get("engineVersion"), found.get("EngineVersion")),
        "engineVersionActual": found.get("EngineVersion"),
        "arn": found["DBInstanceArn"],
        "resourceId": found.get("DbiResourceId"),
        "status": found["DBInstanceStatus"],
        "masterUserSecrets": _managed_password(found),
        "tags": tag_map(tags),
    }


def _shown_otherwise(found: Mapping[str, Any]) -> Properties:
    groups = found.get("DBParameterGroups") or [{}]
    options = found.get("OptionGroupMemberships") or [{}]
    return {
        "dbSubnetGroupName": (found.get("DBSubnetGroup") or {}).get("DBSubnetGroupName"),
        "iamDatabaseAuthenticationEnabled": bool(found.get("IAMDatabaseAuthenticationEnabled")),
        "manageMasterUserPassword": True if found.get("MasterUserSecret") else None,
        "optionGroupName": options[0].get("OptionGroupName"),
        "parameterGroupName": groups[0].get("DBParameterGroupName"),
        "performanceInsightsEnabled": bool(found.get("PerformanceInsightsEnabled")),
        "vpcSecurityGroupIds": [g["VpcSecurityGroupId"] for g in found.get("VpcSecurityGroups") or ()],
        _LOGS: found.get("EnabledCloudwatchLogsExports") or [],
    }


def _reached(found: Mapping[str, Any]) -> Properties:
    endpoint = found.get("Endpoint") or {}
    address, port = endpoint.get("Address"), endpoint.get("Port")
    return {
        "address": address,
        "port": port or found.get("DbInstancePort"),
        "endpoint": f"{address}:{port}" if address else None,
        "hostedZoneId": endpoint.get("HostedZoneId"),
    }


def _managed_password(found: Mapping[str, Any]) -> list[Properties]:
    secret = found.get("MasterUserSecret")
    names = {"secretArn": "SecretArn", "secretStatus": "SecretStatus", "kmsKeyId": "KmsKeyId"}
    return [{k: v for k, v in seen(secret, names).items() if v}] if secret else []


def _version(asked: str | None, actual: str | None) -> str | None:
    """Return what was asked for while it still describes the actual version: 16 describes 16.4."""
    return asked if asked and actual and f"{actual}.".startswith(f"{asked}.") else actual


def _update(task: Task) -> None:
    asked = {name: task.news.get(name) for name in task.changed}
    sent = picked(asked, _MODIFIED)
    if "manageMasterUserPassword" in task.changed and not asked["manageMasterUserPassword"]:
        sent |= {"ManageMasterUserPassword": False, "MasterUserPassword": task.news.get("password")}
    if _LOGS in task.changed:
        sent["CloudwatchLogsExportConfiguration"] = _log_changes(task)
    identifier, now = task.olds["identifier"], task.news.get("applyImmediately", False)
    task.aws.call("rds", "ModifyDBInstance", DBInstanceIdentifier=identifier, ApplyImmediately=now, **sent)
    _wait_available(task, identifier)


def _log_changes(task: Task) -> dict[str, list[str]]:
    old, new = set(task.olds.get(_LOGS) or ()), set(task.news.get(_LOGS) or ())
    return {"EnableLogTypes": sorted(new - old), "DisableLogTypes": sorted(old - new)}


def _delete(task: Task) -> None:
    """Delete the database, after a last snapshot unless the program renounces it. Protection is never lifted here."""
    identifier, skip = task.olds["identifier"], bool(task.olds.get("skipFinalSnapshot"))
    snapshot = None if skip else task.olds.get("finalSnapshotIdentifier")
    if not skip and not snapshot:
        raise ValueError("finalSnapshotIdentifier is required when skipFinalSnapshot is false")
    task.aws.call(
        "rds",
        "DeleteDBInstance",
        DBInstanceIdentifier=identifier,
        SkipFinalSnapshot=skip,
        FinalDBSnapshotIdentifier=snapshot,
        DeleteAutomatedBackups=task.olds.get("deleteAutomatedBackups", True),
    )
    task.aws.wait(f"database {identifier} to be gone", lambda: _is_gone(task.aws, identifier), task.seconds)


def _is_gone(aws: Aws, identifier: str) -> bool:
    listed = aws.call("rds", "DescribeDBInstances")["DBInstances"]
    return all(d["DBInstanceIdentifier"] != identifier for d in listed)


def _check(inputs: Properties) -> Iterable[Failure]:
    if not _restored(inputs):
        for name in ("engine", "allocatedStorage", "username"):
            if inputs.get(name) is None:
                yield Failure(name, f"{name} is needed unless the database is restored")
    elif inputs.get("dbName") is not None and inputs.get("engine") == "postgres":
        yield Failure("dbName", "A restored PostgreSQL has the databases of its source; give none")
    if inputs.get("password") is not None and inputs.get("manageMasterUserPassword"):
        yield Failure("password", "Conflicts with manageMasterUserPassword; give one of them")


INSTANCE = ResourceType(
    type="aws:rds/instance:Instance",
    create=_create,
    finish=_finish,
    read=_read,
    updates=[Update(frozenset(_MODIFIED) | {_LOGS}, _update)],
    delete=_delete,
    tagging=RDS,
    name=AutoName("identifier", shape=str.lower),
    replace_on=frozenset(_FIXED) | {"snapshotIdentifier", "restoreToPointInTime"},
    state_only=frozenset(
        {"applyImmediately", "deleteAutomatedBackups", "finalSnapshotIdentifier", "skipFinalSnapshot"}
    ),
    defaults={
        "applyImmediately": False,
        "autoMinorVersionUpgrade": True,
        "copyTagsToSnapshot": False,
        "deleteAutomatedBackups": True,
        "monitoringInterval": 0,
        "publiclyAccessible": False,
        "skipFinalSnapshot": False,
    },
    computed=frozenset(
        {
            "allocatedStorage",
            "availabilityZone",
            "backupRetentionPeriod",
            "backupWindow",
            "caCertIdentifier",
            "characterSetName",
            "dbName",
            "dbSubnetGroupName",
            "engine",
            "engineVersion",
            "iops",
            "kmsKeyId",
            "licenseModel",
            "maintenanceWindow",
            "masterUserSecretKmsKeyId",
            "monitoringRoleArn",
            "multiAz",
            "networkType",
            "optionGroupName",
            "parameterGroupName",
            "performanceInsightsKmsKeyId",
            "performanceInsightsRetentionPeriod",
            "port",
            "storageThroughput",
            "storageType",
            "username",
            "vpcSecurityGroupIds",
        }
    ),
    sets=frozenset({_LOGS, "vpcSecurityGroupIds"}),
    secret=frozenset({"password"}),
    check=_check,
    gone=_NOT_FOUND,
    seconds=3600.0,
)
