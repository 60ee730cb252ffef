"""Programs that stand in for real ones on the lab's machines."""
