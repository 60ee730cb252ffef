"""Errors in the wire format of the service that was asked, so that SDKs can read them.

moto answers an action it lacks with an HTML page and status 500, which botocore reports as an unreadable response
and some clients retry for minutes. Here it becomes ``501 NotImplemented`` in the service's own format.
"""

from __future__ import annotations

import json
from xml.sax.saxutils import escape

from lab.aws.ports import Call, Reply

_JSON = frozenset(
    {"ssm", "secretsmanager", "kms", "logs", "ecs", "events", "dynamodb", "backup", "scheduler", "lambda"}
)
REQUEST_ID = "00000000-0000-4000-8000-000000000000"


def render(call: Call, reply: Reply, content_type: str) -> tuple[str, list[tuple[str, str]], bytes]:
    """Return the WSGI status line, headers and body of an error reply."""
    if call.service in _JSON or "json" in content_type:
        kind, body = "application/x-amz-json-1.1", _json(reply)
    elif call.service == "ec2":
        kind, body = "text/xml", _ec2(reply)
    else:
        kind, body = "text/xml", _query(reply)
    headers = [
        ("Content-Type", kind),
        ("Content-Length", str(len(body))),
        ("x-amzn-RequestId", REQUEST_ID),
        ("x-amzn-ErrorType", reply.code),
    ]
    return f"{reply.status} {reply.code}", headers, body


def not_implemented(call: Call) -> Reply:
    """Return the reply for an action that the lab does not have."""
    return Reply(501, "NotImplemented", f"The lab's {call.service} does not implement {call.action or 'this request'}.")


def _json(reply: Reply) -> bytes:
    return json.dumps({"__type": reply.code, "message": reply.message}).encode()


def _ec2(reply: Reply) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><Response><Errors><Error>'
        f"<Code>{escape(reply.code)}</Code><Message>{escape(reply.message)}</Message>"
        f"</Error></Errors><RequestID>{REQUEST_ID}</RequestID></Response>"
    ).encode()


def _query(reply: Reply) -> bytes:
    kind = "Receiver" if reply.status >= 500 else "Sender"
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ErrorResponse><Error>'
        f"<Type>{kind}</Type><Code>{escape(reply.code)}</Code><Message>{escape(reply.message)}</Message>"
        f"</Error><RequestId>{REQUEST_ID}</RequestId></ErrorResponse>"
    ).encode()
