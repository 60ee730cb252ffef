"""Who asks: the name that runs and backups are recorded under."""

from __future__ import annotations

import getpass
import os


def operator() -> str:
    """Return who asks: ``BBDC_BY``, else the login name."""
    try:
        return os.environ.get("BBDC_BY") or getpass.getuser()
    except (KeyError, OSError):  # no such user id in the password database, as in some containers
        return f"uid {os.getuid()}"
