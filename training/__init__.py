"""From a table of flowers to a registered version with a model file whose parity is proven."""
