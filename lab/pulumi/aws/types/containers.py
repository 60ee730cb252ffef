"""Containers: Cluster and TaskDefinition of ECS."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from lab.pulumi.aws.naming import AutoName
from lab.pulumi.aws.resource import Act, ResourceType, Task, Update
from lab.pulumi.aws.session import Aws, picked, seen
from lab.pulumi.aws.tagging import retagging, tag_list, tag_map
from lab.pulumi.aws.types.iam import checked_document
from lab.pulumi.aws.values import UNKNOWN, Properties
from lab.pulumi.declared import Failure

_PAIR = {"key": "key", "value": "value"}


def _tags(aws: Aws, arn: str) -> dict[str, str]:
    return tag_map(aws.call("ecs", "ListTagsForResource", resourceArn=arn)["tags"], **_PAIR)


def _tagging() -> Act:
    def add(task: Task, tags: dict[str, str]) -> None:
        task.aws.call("ecs", "TagResource", resourceArn=task.olds["arn"], tags=tag_list(tags, **_PAIR))

    def remove(task: Task, keys: list[str]) -> None:
        task.aws.call("ecs", "UntagResource", resourceArn=task.olds["arn"], tagKeys=keys)

    return retagging(add, remove)


def _create_cluster(aws: Aws, inputs: Properties) -> str:
    tags = tag_list(inputs.get("tags"), **_PAIR)
    made = aws.call("ecs", "CreateCluster", clusterName=inputs["name"], settings=inputs.get("settings"), tags=tags)
    return str(made["cluster"]["clusterArn"])


def _read_cluster(aws: Aws, arn: str, _: Properties) -> Properties | None:
    listed = aws.call("ecs", "DescribeClusters", clusters=[arn], include=["SETTINGS"])["clusters"]
    if not listed or listed[0]["status"] == "INACTIVE":
        return None
    found = listed[0]
    return {
        "name": found["clusterName"],
        "arn": arn,
        "settings": found.get("settings") or [],
        "tags": _tags(aws, arn),
    }


def _set_cluster(task: Task) -> None:
    task.aws.call("ecs", "UpdateCluster", cluster=task.id, settings=task.news.get("settings") or [])


CLUSTER = ResourceType(
    type="aws:ecs/cluster:Cluster",
    create=_create_cluster,
    read=_read_cluster,
    updates=[Update.of(_set_cluster, "settings")],
    delete=lambda t: t.aws.call("ecs", "DeleteCluster", cluster=t.id),
    tagging=_tagging(),
    name=AutoName(),
    computed=frozenset({"settings"}),
    sets=frozenset({"settings"}),
    gone=frozenset({"ClusterNotFoundException", "ClientException"}),
)

_DEFINITION = {
    name: name
    for name in ("cpu", "executionRoleArn", "family", "memory", "networkMode", "requiresCompatibilities", "taskRoleArn")
}
_CONTAINERS = "containerDefinitions"


def _create_definition(aws: Aws, inputs: Properties) -> str:
    made = aws.call(
        "ecs",
        "RegisterTaskDefinition",
        **picked(inputs, _DEFINITION),
        containerDefinitions=json.loads(inputs[_CONTAINERS]),
        tags=tag_list(inputs.get("tags"), **_PAIR),
    )
    return str(made["taskDefinition"]["family"])


def _described(aws: Aws, which: str) -> Any:
    return aws.call("ecs", "DescribeTaskDefinition", taskDefinition=which)["taskDefinition"]


def _read_definition(aws: Aws, family: str, state: Properties) -> Properties | None:
    """Read the revision that was registered; another one of the family is somebody else's."""
    found = _described(aws, state.get("arn") or family)
    if found["status"] == "INACTIVE":
        return None
    arn = found["taskDefinitionArn"]
    return {
        **seen(found, _DEFINITION),
        _CONTAINERS: _as_asked(found[_CONTAINERS], state.get(_CONTAINERS)),
        "arn": arn,
        "arnWithoutRevision": arn.rpartition(":")[0],
        "revision": found["revision"],
        "tags": _tags(aws, arn),
    }


def _as_asked(found: list[dict[str, Any]], asked: str | None) -> str:
    """Return the containers as text: as they were asked for while they only have defaults of the service more."""
    wanted = json.loads(asked) if asked else []
    shown = zip(found, wanted, strict=False)
    if len(found) == len(wanted) and all(have.get(k) == v for have, want in shown for k, v in want.items()):
        return str(asked)
    return json.dumps(found)


def _deregister(task: Task) -> None:
    if not task.olds.get("skipDestroy"):
        task.aws.call("ecs", "DeregisterTaskDefinition", taskDefinition=task.olds["arn"])


def _check_definition(inputs: Properties) -> Iterable[Failure]:
    yield from checked_document(_CONTAINERS)(inputs)
    if "FARGATE" in (inputs.get("requiresCompatibilities") or ()):
        for name in ("cpu", "memory"):
            if inputs.get(name) is None:
                yield Failure(name, "Fargate needs it")
        if inputs.get("networkMode") not in ("awsvpc", UNKNOWN):
            yield Failure("networkMode", "Fargate knows awsvpc only")


TASK_DEFINITION = ResourceType(
    type="aws:ecs/taskDefinition:TaskDefinition",
    create=_create_definition,
    read=_read_definition,
    delete=_deregister,
    tagging=_tagging(),
    replace_on=frozenset({*_DEFINITION, _CONTAINERS}),
    state_only=frozenset({"skipDestroy"}),
    defaults={"skipDestroy": False},
    computed=frozenset({"networkMode"}),
    documents=frozenset({_CONTAINERS}),
    sets=frozenset({"requiresCompatibilities"}),
    check=_check_definition,
    gone=frozenset({"ClientException"}),
)
