# One run that asks for all that there can be: tests/azure reads what it makes.
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
  secondary_location              = "northeurope"
}

run "everything" {}
