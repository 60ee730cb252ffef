"""An embedded world on loopback that ordinary clients cannot tell from the real one."""
