"""Benches: they print figures of one run on this machine; nothing here passes or fails."""
