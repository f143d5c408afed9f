"""The whole system in containers: `make test-compose`."""
