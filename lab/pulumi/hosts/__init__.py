"""Programs that run inside the user's own Python, by path; never imported by the lab."""
