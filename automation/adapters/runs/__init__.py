"""Durable runs: the engine under DBOS, with records that survive the process."""
