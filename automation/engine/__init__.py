"""Loops: observe, decide, act, record. Knows ports, never a cloud or a library of the outside."""
