"""Type tokens: the only place where they are spelled.

The component host accepts the module ``index`` only, and requires the package to be the hosted one.
"""

PACKAGE = "bitbucket-dc"


def type_token(noun: str) -> str:
    """Return the type token of a component, such as ``bitbucket-dc:index:AwsBitbucketCluster``."""
    return f"{PACKAGE}:index:{noun}"
