"""What is done to a Bitbucket Data Center estate: rolling upgrades, backups, restores."""
