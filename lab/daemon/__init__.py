"""The lab's daemon: it holds the world and ends with everything that it started."""
