"""The estate on AWS."""
