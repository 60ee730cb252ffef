"""What the lab's volumes, databases and their snapshots hold: real directories and files, copied at one moment."""
