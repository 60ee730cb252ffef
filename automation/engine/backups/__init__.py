"""Backups, one pass at a time: sight, decision, act, record. The journal is written before and after every act."""
