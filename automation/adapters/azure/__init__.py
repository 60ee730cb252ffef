"""Azure: scale set, application gateway, load balancer, run command, monitor."""
