"""From a registered version to what serves: gates, ledger, promotion, rollback, recovery."""
