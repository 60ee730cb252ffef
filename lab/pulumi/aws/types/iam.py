"""Identity: Role, RolePolicy, RolePolicyAttachment, InstanceProfile."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from lab.pulumi.aws.naming import AutoName
from lab.pulumi.aws.resource import ResourceType, Task, Update
from lab.pulumi.aws.session import Aws, picked, seen
from lab.pulumi.aws.tagging import INSTANCE_PROFILE as PROFILE_TAGS
from lab.pulumi.aws.tagging import ROLE as ROLE_TAGS
from lab.pulumi.aws.tagging import tag_list, tag_map
from lab.pulumi.aws.values import UNKNOWN, Properties
from lab.pulumi.declared import Failure

_ROLE = {
    "name": "RoleName",
    "path": "Path",
    "description": "Description",
    "maxSessionDuration": "MaxSessionDuration",
}
_GONE = frozenset({"NoSuchEntity", "NoSuchEntityException"})
_BUSY = frozenset({"DeleteConflict", "DeleteConflictException"})


def checked_document(name: str) -> Callable[[Properties], Iterable[Failure]]:
    """Return a check that the property `name` holds JSON."""

    def check(inputs: Properties) -> Iterable[Failure]:
        text = inputs.get(name)
        if text is None or text == UNKNOWN:
            return
        try:
            json.loads(text)
        except (TypeError, ValueError) as wrong:
            yield Failure(name, f"Contains an invalid JSON policy: {wrong}")

    return check


def _text(document: object) -> str:
    """Return a policy as text; boto3 hands documents over parsed."""
    return document if isinstance(document, str) else json.dumps(document)


def _create_role(aws: Aws, inputs: Properties) -> str:
    made = aws.call(
        "iam",
        "CreateRole",
        **picked(inputs, _ROLE),
        AssumeRolePolicyDocument=inputs["assumeRolePolicy"],
        PermissionsBoundary=inputs.get("permissionsBoundary"),
        Tags=tag_list(inputs.get("tags")),
    )
    return str(made["Role"]["RoleName"])


def _read_role(aws: Aws, role: str, _: Properties) -> Properties | None:
    found = aws.call("iam", "GetRole", RoleName=role)["Role"]
    return {
        **seen(found, _ROLE),
        "assumeRolePolicy": _text(found["AssumeRolePolicyDocument"]),
        "permissionsBoundary": (found.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn"),
        "arn": found["Arn"],
        "uniqueId": found["RoleId"],
        "createDate": found["CreateDate"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        "tags": tag_map(found.get("Tags")),
    }


def _update_role(task: Task) -> None:
    asked = {name: task.news.get(name) for name in task.changed}
    settings = picked(asked, {"maxSessionDuration": "MaxSessionDuration"})
    if "description" in task.changed:
        settings["Description"] = task.news.get("description") or ""
    task.aws.call("iam", "UpdateRole", RoleName=task.id, **settings)


def _update_trust(task: Task) -> None:
    document = task.news["assumeRolePolicy"]
    task.aws.call("iam", "UpdateAssumeRolePolicy", RoleName=task.id, PolicyDocument=document)


def _update_boundary(task: Task) -> None:
    boundary = task.news.get("permissionsBoundary")
    if boundary:
        task.aws.call("iam", "PutRolePermissionsBoundary", RoleName=task.id, PermissionsBoundary=boundary)
    else:
        task.aws.call("iam", "DeleteRolePermissionsBoundary", RoleName=task.id)


def _delete_role(task: Task) -> None:
    """Take the role out of its instance profiles, and with `forceDetachPolicies` out of its policies, then delete."""
    aws, role = task.aws, task.id
    for profile in aws.pages("iam", "ListInstanceProfilesForRole", "InstanceProfiles", RoleName=role):
        name = profile["InstanceProfileName"]
        aws.call("iam", "RemoveRoleFromInstanceProfile", InstanceProfileName=name, RoleName=role)
    if task.olds.get("forceDetachPolicies"):
        for attached in aws.pages("iam", "ListAttachedRolePolicies", "AttachedPolicies", RoleName=role):
            aws.call("iam", "DetachRolePolicy", RoleName=role, PolicyArn=attached["PolicyArn"])
        for inline in aws.pages("iam", "ListRolePolicies", "PolicyNames", RoleName=role):
            aws.call("iam", "DeleteRolePolicy", RoleName=role, PolicyName=inline)
    aws.call("iam", "DeleteRole", RoleName=role)


ROLE = ResourceType(
    type="aws:iam/role:Role",
    create=_create_role,
    read=_read_role,
    updates=[
        Update.of(_update_trust, "assumeRolePolicy"),
        Update.of(_update_role, "description", "maxSessionDuration"),
        Update.of(_update_boundary, "permissionsBoundary"),
    ],
    delete=_delete_role,
    tagging=ROLE_TAGS,
    name=AutoName(limit=64),
    replace_on=frozenset({"path"}),
    state_only=frozenset({"forceDetachPolicies"}),
    defaults={"forceDetachPolicies": False, "maxSessionDuration": 3600, "path": "/"},
    documents=frozenset({"assumeRolePolicy"}),
    check=checked_document("assumeRolePolicy"),
    gone=_GONE,
    busy=_BUSY,
)


def _put_policy(aws: Aws, inputs: Properties) -> str:
    role, name = inputs["role"], inputs["name"]
    aws.call("iam", "PutRolePolicy", RoleName=role, PolicyName=name, PolicyDocument=inputs["policy"])
    return f"{role}:{name}"


def _split(identifier: str) -> tuple[str, str]:
    role, name = identifier.split(":", 1)
    return role, name


def _read_policy(aws: Aws, identifier: str, _: Properties) -> Properties | None:
    role, name = _split(identifier)
    found = aws.call("iam", "GetRolePolicy", RoleName=role, PolicyName=name)
    return {"role": found["RoleName"], "name": found["PolicyName"], "policy": _text(found["PolicyDocument"])}


def _update_policy(task: Task) -> None:
    role, name = _split(task.id)
    task.aws.call("iam", "PutRolePolicy", RoleName=role, PolicyName=name, PolicyDocument=task.news["policy"])


def _delete_policy(task: Task) -> None:
    role, name = _split(task.id)
    task.aws.call("iam", "DeleteRolePolicy", RoleName=role, PolicyName=name)


ROLE_POLICY = ResourceType(
    type="aws:iam/rolePolicy:RolePolicy",
    create=_put_policy,
    read=_read_policy,
    updates=[Update.of(_update_policy, "policy")],
    delete=_delete_policy,
    name=AutoName(limit=128),
    replace_on=frozenset({"role"}),
    documents=frozenset({"policy"}),
    check=checked_document("policy"),
    gone=_GONE,
)


def _attach(aws: Aws, inputs: Properties) -> str:
    aws.call("iam", "AttachRolePolicy", RoleName=inputs["role"], PolicyArn=inputs["policyArn"])
    return f"{inputs['role']}/{inputs['policyArn']}"


def _read_attachment(aws: Aws, identifier: str, _: Properties) -> Properties | None:
    role, policy = identifier.split("/", 1)
    attached = aws.pages("iam", "ListAttachedRolePolicies", "AttachedPolicies", RoleName=role)
    there = any(a["PolicyArn"] == policy for a in attached)
    return {"role": role, "policyArn": policy} if there else None


def _detach(task: Task) -> None:
    role, policy = task.id.split("/", 1)
    task.aws.call("iam", "DetachRolePolicy", RoleName=role, PolicyArn=policy)


ROLE_POLICY_ATTACHMENT = ResourceType(
    type="aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    create=_attach,
    read=_read_attachment,
    delete=_detach,
    replace_on=frozenset({"role", "policyArn"}),
    gone=_GONE,
)


def _create_profile(aws: Aws, inputs: Properties) -> str:
    name: str = inputs["name"]
    tags = tag_list(inputs.get("tags"))
    aws.call("iam", "CreateInstanceProfile", InstanceProfileName=name, Path=inputs.get("path"), Tags=tags)
    return name


def _read_profile(aws: Aws, name: str, _: Properties) -> Properties | None:
    found = aws.call("iam", "GetInstanceProfile", InstanceProfileName=name)["InstanceProfile"]
    roles = [r["RoleName"] for r in found.get("Roles", [])]
    return {
        "name": name,
        "path": found.get("Path"),
        "role": roles[0] if roles else None,
        "arn": found["Arn"],
        "uniqueId": found["InstanceProfileId"],
        "createDate": found["CreateDate"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        "tags": tag_map(found.get("Tags")),
    }


def _swap_role(task: Task) -> None:
    now = _read_profile(task.aws, task.id, {}) or {}
    for operation, role in (("RemoveRoleFrom", now.get("role")), ("AddRoleTo", task.news.get("role"))):
        if role:
            task.aws.call("iam", f"{operation}InstanceProfile", InstanceProfileName=task.id, RoleName=role)


def _delete_profile(task: Task) -> None:
    now = _read_profile(task.aws, task.id, {}) or {}
    if now.get("role"):
        task.aws.call("iam", "RemoveRoleFromInstanceProfile", InstanceProfileName=task.id, RoleName=now["role"])
    task.aws.call("iam", "DeleteInstanceProfile", InstanceProfileName=task.id)


INSTANCE_PROFILE = ResourceType(
    type="aws:iam/instanceProfile:InstanceProfile",
    create=_create_profile,
    finish=_swap_role,
    read=_read_profile,
    updates=[Update.of(_swap_role, "role")],
    delete=_delete_profile,
    tagging=PROFILE_TAGS,
    name=AutoName(limit=128),
    replace_on=frozenset({"path"}),
    defaults={"path": "/"},
    gone=_GONE,
)
