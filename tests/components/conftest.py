"""Loads the components once: the AWS SDK warns of deprecated members of its own, which nobody here uses."""

import importlib
import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    importlib.import_module("components.aws.cluster")
    importlib.import_module("components.azure.cluster")
    importlib.import_module("components.aws.native_backup")
    importlib.import_module("components.aws.snapshot_schedule")
    assert importlib.import_module("pulumi_aws").s3.Bucket  # its modules are loaded when they are first looked into
