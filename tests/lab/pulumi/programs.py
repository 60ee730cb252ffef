"""Resources of the conformance programs. Importable by the dynamic provider's process, by this module's name."""

import uuid
from typing import Any

import pulumi
from pulumi import ResourceOptions
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

AWS_VERSION = "7.51.1"


class MachineProvider(ResourceProvider):
    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        moved = _olds.get("zone") != _news.get("zone")
        return DiffResult(
            changes=moved or _olds.get("size") != _news.get("size"),
            replaces=["zone"] if moved else [],
            delete_before_replace=bool(_news.get("dbr", False)),
        )

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult("vm-" + uuid.uuid4().hex[:6], {**props, "address": f"10.0.0.{len(props['zone'])}"})

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        return UpdateResult({**_news, "address": _olds["address"]})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        pass


class Machine(Resource):
    address: pulumi.Output[str]

    def __init__(self, name: str, zone: Any, size: Any, opts: ResourceOptions | None = None, **extra: Any) -> None:
        super().__init__(MachineProvider(), name, {"zone": zone, "size": size, "address": None, **extra}, opts)


class BrokenProvider(ResourceProvider):
    def create(self, props: dict[str, Any]) -> CreateResult:
        raise Exception("boom quota")  # noqa: TRY002 - the genuine result shows exactly this type


class Broken(Resource):
    def __init__(self, name: str, opts: ResourceOptions | None = None) -> None:
        super().__init__(BrokenProvider(), name, {"a": 1}, opts)


class Bucket(pulumi.CustomResource):
    """As pulumi_aws declares it, without the seconds that importing pulumi_aws costs."""

    arn: pulumi.Output[str]

    def __init__(self, name: str, opts: ResourceOptions | None = None, **props: Any) -> None:
        versioned = ResourceOptions.merge(opts, ResourceOptions(version=AWS_VERSION))
        super().__init__("aws:s3/bucket:Bucket", name, {**props, "arn": None}, versioned)

    @staticmethod
    def get(name: str, identity: str) -> "Bucket":
        return Bucket(name, ResourceOptions(id=identity))


class AwsProvider(pulumi.ProviderResource):
    def __init__(self, name: str, **props: Any) -> None:
        super().__init__("aws", name, props, ResourceOptions(version=AWS_VERSION))


class Group(pulumi.ComponentResource):
    def __init__(self, name: str, opts: ResourceOptions | None = None) -> None:
        super().__init__("lab:x:C", name, None, opts)


def get_region(provider: pulumi.ProviderResource) -> pulumi.Output[str]:
    options = pulumi.InvokeOptions(provider=provider, version=AWS_VERSION)
    result = pulumi.runtime.invoke("aws:index/getRegion:getRegion", {}, options)
    return pulumi.Output.from_input(result.value["region"])
