"""The estate on Azure."""
