"""Responses that the balancer gives itself."""

from __future__ import annotations

from http import HTTPStatus


def own_answer(status: HTTPStatus, why: str, *, closing: bool, upstream: str | None = None) -> bytes:
    """Return a whole response in the shape of an Application Load Balancer's.

    ``why`` goes into X-Balancer-Reason, and the chosen target, if there was one, into X-Upstream: both are the lab's
    own, so that whoever counts failures can say where they came from.
    """
    title = f"{status.value} {status.phrase}"
    body = (
        f"<html>\r\n<head><title>{title}</title></head>\r\n"
        f"<body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    )
    fields = [
        f"HTTP/1.1 {title}",
        "Server: awselb/2.0",
        "Content-Type: text/html",
        f"Content-Length: {len(body)}",
        f"X-Balancer-Reason: {why}",
        *([f"X-Upstream: {upstream}"] if upstream else []),
        f"Connection: {'close' if closing else 'keep-alive'}",
    ]
    return "\r\n".join([*fields, "", body]).encode("latin-1", "replace")
