"""Runs inside the program's own Python: either the program itself, or the server of its dynamic resources.

    host.py LIFELINE program SETTINGS     SETTINGS is JSON, see `run_program`
    host.py LIFELINE dynamic

LIFELINE is a file descriptor whose other end only the engine holds: when the engine is gone, however it went, it
reads as ended and this process stops at once. Nothing of the lab can be imported here, only `pulumi`.
"""

import asyncio
import gc
import json
import logging
import os
import runpy
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pulumi
import pulumi.runtime

USER_ERROR = 32
"""Exit code for "the program failed and has said why"."""
COLLECT_AFTER = 100_000
"""New objects after which Python looks for garbage: with its own 700, that costs a sixth of a program's short life."""


def follow(lifeline: int) -> None:
    """End this process when the engine ends."""

    def watch() -> None:
        os.read(lifeline, 1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="lifeline").start()


def configure(settings: dict[str, Any]) -> None:
    """Tell the SDK where the engine is and what it is running."""
    pulumi.runtime.set_all_config(pulumi.runtime.get_config_env(), pulumi.runtime.get_config_secret_keys_env())
    pulumi.runtime.configure(
        pulumi.runtime.Settings(
            monitor=settings["monitor"],
            engine=settings["monitor"],
            project=settings["project"],
            stack=settings["stack"],
            parallel=settings["parallel"],
            dry_run=settings["dry_run"],
            organization=settings["organization"],
            root_directory=settings["root"],
        )
    )


def run_program(settings: dict[str, Any]) -> int:
    """Run the user's program to its end.

    Args:
        settings: monitor (address), project, stack, parallel, dry_run, organization, root, program (file or directory).
    """
    configure(settings)
    program = Path(settings["program"])
    directory = program if program.is_dir() else program.parent
    os.chdir(directory)
    sys.argv, sys.path[0] = [str(program)], str(directory)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    with ThreadPoolExecutor(max_workers=max(settings["parallel"], 1) * 4) as pool:
        loop.set_default_executor(pool)
        code = _until_complete(loop, str(program))
    loop.close()
    return code


def _until_complete(loop: asyncio.AbstractEventLoop, program: str) -> int:
    def start() -> None:
        runpy.run_path(program, run_name="__main__")

    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(start))
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return USER_ERROR
    except Exception:  # noqa: BLE001 - whatever the user's program raises is reported, with its trace
        pulumi.log.error("Program failed with an unhandled exception:\n" + traceback.format_exc())
        return USER_ERROR
    return 0


def main() -> int:
    """Do what the arguments say; the exit code."""
    gc.set_threshold(COLLECT_AFTER)
    follow(int(sys.argv[1]))
    if sys.argv[2] == "dynamic":
        sys.path.pop(0)
        runpy.run_module("pulumi.dynamic", run_name="__main__")
        return 0
    return run_program(json.loads(sys.argv[3]))


if __name__ == "__main__":
    sys.exit(main())
