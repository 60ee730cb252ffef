"""Pure decisions: nothing in this package performs I/O, reads a clock, or knows a cloud's name."""
