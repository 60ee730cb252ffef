"""The door of every server of the Azure world: requests pass one at a time, each after time has caught up.

While a disk is copied others pass (``lab.unlocked``).
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from typing import TYPE_CHECKING

from lab.azure import errors, messages
from lab.azure.errors import ArmError
from lab.azure.messages import Answer, Request
from lab.azure.ports import Call

if TYPE_CHECKING:
    from lab.azure.world import AzureWorld

_log = logging.getLogger(__name__)


def render(error: ArmError) -> Answer:
    """Return a refusal as Azure Resource Manager words it."""
    after = {} if error.retry_after is None else messages.again(error.retry_after)
    return Answer(error.status, {"error": error.wire()}, after | error.headers)


class Gateway:
    """A door.

    Args:
        world: whose lock, clock and faults it minds.
        answer: carries a request out; called with the lock held.
        name: says what a request is for the faults.
        render: words a refusal.
    """

    def __init__(
        self,
        world: AzureWorld,
        answer: Callable[[Request], Answer],
        name: Callable[[Request], Call],
        render: Callable[[ArmError], Answer] = render,
    ) -> None:
        self._world = world
        self._answer = answer
        self._name = name
        self._render = render

    def __call__(self, request: Request) -> Answer:
        """Answer one request."""
        with self._world.lock:
            answer = self._guarded(request)
            date = formatdate(self._world.clock.now(), usegmt=True)
        names = {"x-ms-request-id": str(uuid.uuid4()), "x-ms-correlation-request-id": str(uuid.uuid4()), "Date": date}
        kind = {"Content-Type": "application/json; charset=utf-8"} if isinstance(answer.body, dict) else {}
        return replace(answer, headers=names | kind | dict(answer.headers))

    def _guarded(self, request: Request) -> Answer:
        world = self._world
        try:
            call = self._name(request)
            reply = world.faults.refuse(call)
            if reply is not None:
                return self._render(errors.of_reply(reply, world.disturbances.retry_after))
            world.advance()
            try:
                answer = self._answer(request)
            finally:
                world.changes += request.method not in {"GET", "HEAD"}
                world.advance()
            return replace(answer, cut=world.faults.lose_reply(call))
        except ArmError as error:
            return self._render(error)
        except Exception as error:  # noqa: BLE001 - answer in Azure's format, whatever the world stumbled over
            _log.exception("%s %s failed", request.method, request.path)
            return self._render(ArmError(500, "InternalServerError", f"{type(error).__name__}: {error}"))
