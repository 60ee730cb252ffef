"""The version this engine answers as: that of the Pulumi SDK it serves."""

from importlib.metadata import version

CLI_VERSION = version("pulumi")
