"""aws of a lab machine: ``secretsmanager get-secret-value``, all that the machines' own scripts ask for."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

import boto3
from botocore.exceptions import ClientError

from lab.shims.line import ask

SECRET_KEY = "lab"  # noqa: S105 - signatures are not checked; the access key names the lab
CLIENT_ERROR = 254
"""Exit code of the AWS CLI when the service refuses."""


def main(arguments: Sequence[str]) -> int:
    """Do what the AWS CLI would; return its exit code."""
    options = _parser().parse_args(arguments)
    reach = ask("GET", "/aws")
    client = boto3.client(
        options.service,
        region_name=options.region,
        endpoint_url=reach["endpoint"],
        aws_access_key_id=reach["access_key"],
        aws_secret_access_key=SECRET_KEY,
    )
    try:
        found = client.get_secret_value(SecretId=options.secret_id)
    except ClientError as error:
        sys.stderr.write(f"\n{error}\n")
        return CLIENT_ERROR
    del found["ResponseMetadata"]
    sys.stdout.write(_shown(found[options.query] if options.query else found, options.output))
    return 0


def _shown(found: Any, output: str) -> str:
    text = output == "text" and isinstance(found, str)
    return f"{found}\n" if text else json.dumps(found, indent=4, default=str) + "\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("aws", allow_abbrev=False)
    parser.add_argument("service", choices=["secretsmanager"])
    parser.add_argument("action", choices=["get-secret-value"])
    parser.add_argument("--region", required=True)
    parser.add_argument("--secret-id", required=True)
    parser.add_argument("--query", choices=["SecretString", "ARN", "Name", "VersionId"])
    parser.add_argument("--output", choices=["text", "json"], default="json")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
