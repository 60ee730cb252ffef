"""The functions (data sources) of this provider."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lab.pulumi.aws.session import Aws, seen
from lab.pulumi.aws.tagging import tag_map
from lab.pulumi.aws.values import Properties

Function = Callable[[Aws, Properties], Properties]

_IMAGE = {
    "architecture": "Architecture",
    "bootMode": "BootMode",
    "creationDate": "CreationDate",
    "description": "Description",
    "enaSupport": "EnaSupport",
    "hypervisor": "Hypervisor",
    "imageId": "ImageId",
    "imageLocation": "ImageLocation",
    "imageType": "ImageType",
    "name": "Name",
    "ownerId": "OwnerId",
    "platformDetails": "PlatformDetails",
    "public": "Public",
    "rootDeviceName": "RootDeviceName",
    "rootDeviceType": "RootDeviceType",
    "state": "State",
    "virtualizationType": "VirtualizationType",
}


def _filters(asked: Properties) -> list[dict[str, Any]] | None:
    return [{"Name": f["name"], "Values": f["values"]} for f in asked.get("filters") or ()] or None


def _zones(aws: Aws, asked: Properties) -> Properties:
    answer = aws.call(
        "ec2",
        "DescribeAvailabilityZones",
        AllAvailabilityZones=asked.get("allAvailabilityZones"),
        Filters=_filters(asked),
    )
    state, left_out = asked.get("state"), asked.get("excludeNames") or ()
    zones = [z for z in answer["AvailabilityZones"] if state in (None, z["State"]) and z["ZoneName"] not in left_out]
    zones.sort(key=lambda z: str(z["ZoneName"]))
    return {
        **asked,
        "id": aws.region,
        "region": aws.region,
        "names": [z["ZoneName"] for z in zones],
        "zoneIds": [z["ZoneId"] for z in zones],
        "groupNames": sorted({z.get("GroupName", aws.region) for z in zones}),
    }


def _region(aws: Aws, asked: Properties) -> Properties:
    region = asked.get("name") or asked.get("region") or aws.region
    endpoint = f"ec2.{region}.amazonaws.com"
    return {"id": region, "name": region, "region": region, "description": region, "endpoint": endpoint}


def _caller(aws: Aws, _: Properties) -> Properties:
    found = aws.call("sts", "GetCallerIdentity")
    return {"id": found["Account"], "accountId": found["Account"], "arn": found["Arn"], "userId": found["UserId"]}


def _parameter(aws: Aws, asked: Properties) -> Properties:
    found = aws.call("ssm", "GetParameter", Name=asked["name"], WithDecryption=asked.get("withDecryption", True))
    value = found["Parameter"]
    plain = value["Type"] != "SecureString"
    return {
        "id": asked["name"],
        "region": aws.region,
        "withDecryption": asked.get("withDecryption"),
        **seen(value, {"name": "Name", "type": "Type", "value": "Value", "version": "Version", "arn": "ARN"}),
        "insecureValue": value["Value"] if plain else None,
    }


def _image(aws: Aws, asked: Properties) -> Properties:
    found = aws.call(
        "ec2",
        "DescribeImages",
        Owners=asked.get("owners"),
        ExecutableUsers=asked.get("executableUsers"),
        Filters=_filters(asked),
    )["Images"]
    if not found:
        raise LookupError("the query returned no image; change its filters or owners")
    if len(found) > 1 and not asked.get("mostRecent"):
        raise LookupError(f"the query returned {len(found)} images; narrow its filters or set mostRecent")
    image: Mapping[str, Any] = max(found, key=lambda i: str(i.get("CreationDate", "")))
    return {
        **asked,
        **seen(image, _IMAGE),
        "id": image["ImageId"],
        "region": aws.region,
        "arn": f"arn:aws:ec2:{aws.region}::image/{image['ImageId']}",
        "tags": tag_map(image.get("Tags")),
    }


FUNCTIONS: dict[str, Function] = {
    "aws:index/getAvailabilityZones:getAvailabilityZones": _zones,
    "aws:index/getRegion:getRegion": _region,
    "aws:index/getCallerIdentity:getCallerIdentity": _caller,
    "aws:ssm/getParameter:getParameter": _parameter,
    "aws:ec2/getAmi:getAmi": _image,
}
"""The functions, by token. Each raises `LookupError` when what is asked for is not there."""

SECRET_RESULTS = {"aws:ssm/getParameter:getParameter": ("value",)}
"""Results that the genuine provider marks secret."""
