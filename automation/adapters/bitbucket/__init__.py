"""Bitbucket over its REST API."""
