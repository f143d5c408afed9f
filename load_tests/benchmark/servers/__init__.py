"""The peers' servers: scripts that run in environments of their own, never imported here."""
