"""The load balancers' data plane."""
