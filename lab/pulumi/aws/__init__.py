"""The lab's resource provider for `aws`: the types the components use, over boto3, against the lab's endpoint.

`provider` speaks the ResourceProvider protocol, `types/` holds one description per resource type,
`compare` decides what changed, `server` listens on loopback.
"""
