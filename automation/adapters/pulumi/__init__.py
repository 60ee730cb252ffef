"""Pulumi: the two dynamic resources of the roll, and the Automation API."""
