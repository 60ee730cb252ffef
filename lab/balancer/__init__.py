"""The load balancers' data plane: one process that routes by the registered targets and their health.

It stands for an Application Load Balancer (listeners with protocol HTTP) and a Network Load Balancer (TCP).
What it does and how it is told what to do: docs/reference/lab-traffic.md.
"""
