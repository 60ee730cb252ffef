"""The seal of stored values as DBOS takes it: DBOS stores pickles."""

from __future__ import annotations

from dbos import Serializer

from automation.adapters.seal import KEY_VARIABLE, Seal, load_key, rebuild

__all__ = ["KEY_VARIABLE", "Sealed", "load_key", "rebuild"]  # what earlier versions sealed names ``rebuild`` here


class Sealed(Seal, Serializer):
    """The seal, for every value that DBOS stores."""

    def name(self) -> str:
        """Return the name that DBOS stores beside each value."""
        return "fernet_pickle"
