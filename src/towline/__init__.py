"""Towline keeps docker pull secrets, proves that they work, and deploys packages with them."""

__version__ = "0.1.0"
