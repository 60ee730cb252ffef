"""Bitbucket in the lab: a pure model of the cluster, and nodes as real processes."""
