"""Restores: generations of an estate's data, what a set can become one from, and how the estate moves over. Pure."""
