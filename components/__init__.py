"""What the estate is: Pulumi component resources that make no calls."""
