"""An Azure of the lab's own: the resource manager, sign-in, secrets and blobs over HTTPS on loopback."""
