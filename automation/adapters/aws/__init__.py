"""AWS: auto-scaling group, target groups, SSM, CloudWatch."""
