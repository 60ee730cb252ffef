"""One description per resource type: which calls make, read, change and delete it."""
