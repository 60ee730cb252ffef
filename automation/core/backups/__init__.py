"""Backup sets: what they are made of, when one counts as good, which are kept, and how one comes to be. Pure."""
