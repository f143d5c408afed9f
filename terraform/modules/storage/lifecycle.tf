# Only what was served ages, and old versions of what is replaced. Releases and ledger have no rule:
# nothing in them is ever to be deleted.
resource "azurerm_storage_management_policy" "this" {
  storage_account_id = azurerm_storage_account.this.id

  rule {
    name    = "replay-ends"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["replay/"]
    }
    actions {
      base_blob {
        delete_after_days_since_modification_greater_than = var.replay_days
      }
      version {
        delete_after_days_since_creation = 1
      }
    }
  }

  # The lease is replaced every three seconds while a promotion runs, and each time leaves a version.
  rule {
    name    = "old-leases-end"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["records/lease/"]
    }
    actions {
      version {
        delete_after_days_since_creation = 1
      }
    }
  }
}
