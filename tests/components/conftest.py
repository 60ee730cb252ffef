"""Loads the component once: the AWS SDK warns of a deprecated member of its own, which nobody here uses."""

import importlib
import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    importlib.import_module("components.aws.cluster")
