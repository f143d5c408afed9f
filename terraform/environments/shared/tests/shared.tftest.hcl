mock_provider "azurerm" {
  mock_data "azurerm_client_config" {
    defaults = {
      tenant_id = "00000000-0000-0000-0000-000000000009"
    }
  }
  mock_resource "azurerm_storage_account" {
    defaults = {
      id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/iris-ml-shared/providers/Microsoft.Storage/storageAccounts/irisml"
    }
  }
  mock_resource "azurerm_storage_container" {
    defaults = {
      id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/iris-ml-shared/providers/Microsoft.Storage/storageAccounts/irisml/blobServices/default/containers/made"
    }
  }
  mock_resource "azurerm_container_registry" {
    defaults = {
      id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/iris-ml-shared/providers/Microsoft.ContainerRegistry/registries/irisml"
    }
  }
  mock_resource "azurerm_key_vault" {
    defaults = {
      id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/iris-ml-shared/providers/Microsoft.KeyVault/vaults/made"
    }
  }
  mock_resource "azurerm_postgresql_flexible_server" {
    defaults = {
      id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/iris-ml-shared/providers/Microsoft.DBforPostgreSQL/flexibleServers/iris-ml-mlflow"
    }
  }
  mock_resource "azurerm_user_assigned_identity" {
    defaults = {
      id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/iris-ml-shared/providers/Microsoft.ManagedIdentity/userAssignedIdentities/made"
    }
  }
}

variables {
  subscription_id                 = "00000000-0000-0000-0000-000000000001"
  location                        = "westeurope"
  administrators                  = { object_id = "00000000-0000-0000-0000-00000000000a", name = "iris-ml administrators" }
  database_administrator_password = "a password of the tests, no secret"
  github_repository               = "iris/iris-ml-api"
}

run "one_region_has_one_store" {
  command = plan
  assert {
    condition     = output.stores.primary == "irisml" && output.stores.secondary == null && length(azurerm_storage_object_replication.this) == 0
    error_message = "Without a second region there is nothing to copy to."
  }
  assert {
    condition     = join(",", keys(output.vaults)) == "dev,prod"
    error_message = "A vault for each environment."
  }
}

run "a_failover_ends_the_copying_and_restores_the_database" {
  command = plan
  variables {
    secondary_location   = "northeurope"
    first_region_lost_at = "2026-11-29T09:00:00Z"
  }
  assert {
    condition     = output.stores.secondary == "irismlsecond" && length(azurerm_storage_object_replication.this) == 0
    error_message = "The second store stays, and nothing writes to it any more."
  }
  assert {
    condition     = length(module.second_database) == 1 && local.backup.at == var.first_region_lost_at && local.second_group == "iris-ml-shared-second"
    error_message = "MLflow gets a database in the second region, in nothing that is of the first."
  }
}

run "where_no_backup_comes_a_database_begins_empty" {
  command = plan
  variables {
    secondary_location    = "northeurope"
    first_region_lost_at  = "2026-11-29T09:00:00Z"
    second_database_empty = true
  }
  assert {
    condition     = local.backup == null && length(module.second_database) == 1
    error_message = "It is of no backup."
  }
}

run "only_a_second_region_can_take_over" {
  command = plan
  variables {
    first_region_lost_at = "2026-11-29T09:00:00Z"
  }
  expect_failures = [var.first_region_lost_at]
}

run "a_region_is_lost_at_a_time" {
  command = plan
  variables {
    secondary_location   = "northeurope"
    first_region_lost_at = "this morning"
  }
  expect_failures = [var.first_region_lost_at]
}

run "a_job_of_github_is_told_by_its_environment" {
  command = plan
  assert {
    condition     = azurerm_federated_identity_credential.job["push environment:registry"].subject == "repo:iris/iris-ml-api:environment:registry"
    error_message = "Only a job of the environment registry pushes."
  }
  assert {
    condition     = [for key, right in azurerm_role_assignment.job : right.role_definition_name if startswith(key, "push ") || startswith(key, "plan ")] == ["Azure Kubernetes Service Cluster User Role", "Reader", "AcrPush"]
    error_message = "One pushes and does no more; one reads and does no more."
  }
}

run "a_creator_neither_overwrites_nor_deletes" {
  command = plan
  assert {
    condition     = azurerm_role_definition.this["creator"].permissions[0].data_actions == toset(["Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action", "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"])
    error_message = "It has add/action, and not write or delete."
  }
}

run "a_second_region_is_another_one" {
  command = plan
  variables {
    secondary_location = "westeurope"
  }
  expect_failures = [var.secondary_location]
}

run "a_subscription_is_named_by_its_id" {
  command = plan
  variables {
    subscription_id = "production"
  }
  expect_failures = [var.subscription_id]
}

run "a_repository_has_an_owner" {
  command = plan
  variables {
    github_repository = "iris-ml-api"
  }
  expect_failures = [var.github_repository]
}

# All that there can be: tests/azure reads what it makes. Last, since it applies: what it has made
# refuses every plan without it.
run "everything" {
  variables {
    secondary_location = "northeurope"
  }
  assert {
    condition     = output.stores.secondary == "irismlsecond" && toset([for rule in azurerm_storage_object_replication.this[0].rules : rule.source_container_name]) == toset(["ledger", "models"])
    error_message = "Releases and ledger are copied."
  }
  assert {
    condition     = alltrue([for rule in azurerm_storage_object_replication.this[0].rules : rule.copy_blobs_created_after == "Everything" && rule.source_container_name == rule.destination_container_name])
    error_message = "All of them, also those from before, under the same name."
  }
  assert {
    condition     = join(",", keys(output.vaults)) == "dev,dev-second,prod,prod-second" && output.database_hosts.secondary == null
    error_message = "Each environment has a vault there before it is needed; a database is made when it is."
  }
}
