"""Small Protocols in the field's words. An adapter implements them for a cloud, the lab for virtual time."""
