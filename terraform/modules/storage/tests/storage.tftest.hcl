mock_provider "azurerm" {
  mock_resource "azurerm_storage_account" {
    defaults = {
      id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/iris-ml-shared/providers/Microsoft.Storage/storageAccounts/irisml"
    }
  }
  mock_resource "azurerm_storage_container" {
    defaults = {
      id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/iris-ml-shared/providers/Microsoft.Storage/storageAccounts/irisml/blobServices/default/containers/models"
    }
  }
}

variables {
  name                = "irisml"
  resource_group_name = "iris-ml-shared"
  location            = "westeurope"
  tags                = { system = "iris-ml" }
}

run "identities_are_the_only_way_in" {
  command = plan
  assert {
    condition     = !azurerm_storage_account.this.shared_access_key_enabled && !azurerm_storage_account.this.allow_nested_items_to_be_public && !azurerm_storage_account.this.local_user_enabled
    error_message = "There are no keys, nothing anonymous, no local users."
  }
  assert {
    condition     = !azurerm_storage_account.this.public_network_access_enabled && azurerm_storage_account.this.network_rules[0].default_action == "Deny"
    error_message = "Without ranges, private endpoints are the only way in."
  }
}

run "what_is_deleted_or_replaced_comes_back" {
  command = plan
  assert {
    condition     = azurerm_storage_account.this.blob_properties[0].versioning_enabled && azurerm_storage_account.this.blob_properties[0].delete_retention_policy[0].days == 30 && azurerm_storage_account.this.blob_properties[0].container_delete_retention_policy[0].days == 30
    error_message = "Blobs have versions, and what is deleted is kept for 30 days."
  }
}

run "the_store_has_five_parts" {
  command = plan
  assert {
    condition     = join(",", keys(azurerm_storage_container.this)) == "ledger,mlflow,models,records,replay" && alltrue([for part in azurerm_storage_container.this : part.container_access_type == "private"])
    error_message = "Five containers, none of them public."
  }
}

run "releases_and_ledger_are_written_once_and_never_age" {
  command = plan
  assert {
    condition     = join(",", keys(azurerm_storage_container_immutability_policy.this)) == "ledger,models" && alltrue([for policy in azurerm_storage_container_immutability_policy.this : policy.immutability_period_in_days == 365])
    error_message = "Both are under retention, and nothing else is."
  }
  assert {
    condition = alltrue([
      for prefix in flatten([for rule in azurerm_storage_management_policy.this.rule : tolist(rule.filters[0].prefix_match)]) :
      contains(["replay/", "records/lease/"], prefix)
    ])
    error_message = "Only what was served ages, and old leases."
  }
  assert {
    condition     = one([for rule in azurerm_storage_management_policy.this.rule : rule.actions[0].base_blob[0].delete_after_days_since_modification_greater_than if rule.name == "replay-ends"]) == 30
    error_message = "What was served ends after replay_days."
  }
}

run "a_single_address_loses_its_mask" {
  command = plan
  variables {
    allowed_ranges = ["198.51.100.7/32", "203.0.113.0/24"]
  }
  assert {
    condition     = azurerm_storage_account.this.network_rules[0].ip_rules == toset(["198.51.100.7", "203.0.113.0/24"])
    error_message = "Azure refuses /32 here, and here alone."
  }
}

run "all_of_the_internet_is_refused" {
  command = plan
  variables {
    allowed_ranges = ["0.0.0.0/0"]
  }
  expect_failures = [var.allowed_ranges]
}

run "a_retention_of_a_week_is_refused" {
  command = plan
  variables {
    retention_days = 7
  }
  expect_failures = [var.retention_days]
}

run "what_was_served_is_not_kept_for_ever" {
  command = plan
  variables {
    replay_days = 3650
  }
  expect_failures = [var.replay_days]
}

run "soft_deletion_has_bounds" {
  command = plan
  variables {
    soft_delete_days = 1
  }
  expect_failures = [var.soft_delete_days]
}
