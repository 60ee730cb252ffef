"""The installation archive, and what else a machine needs from outside."""
