"""The only places that talk to the outside; each implements ports for one other side."""
