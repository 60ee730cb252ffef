"""The embedded Pulumi engine and the lab's resource providers."""
