"""Serving: the gateway, what the Bento needs around the model, the supervisor of one machine."""
