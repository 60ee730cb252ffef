"""Constant-rate load in which every failure is counted with its time."""
