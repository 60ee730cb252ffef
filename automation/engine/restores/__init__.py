"""Restores and drills, one pass at a time: look, decide, act, record."""
