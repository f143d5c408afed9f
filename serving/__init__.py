"""Serving: the gateway, what the Bento needs around the model, the supervisor of one machine."""

__version__ = "0.1.0"
"""Of all that is here. It stands in the code, since a Bento holds that and no package around it."""
