mock_provider "azurerm" {
  mock_data "azurerm_client_config" {
    defaults = {
      subscription_id = "00000000-0000-0000-0000-000000000001"
      tenant_id       = "00000000-0000-0000-0000-000000000009"
    }
  }
  mock_resource "azurerm_log_analytics_workspace" {
    defaults = {
      id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/made/providers/Microsoft.OperationalInsights/workspaces/made"
    }
  }
  mock_resource "azurerm_monitor_action_group" {
    defaults = {
      id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/made/providers/Microsoft.Insights/actionGroups/made"
    }
  }
  mock_resource "azurerm_monitor_data_collection_endpoint" {
    defaults = {
      id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/made/providers/Microsoft.Insights/dataCollectionEndpoints/made"
    }
  }
  mock_resource "azurerm_monitor_data_collection_rule" {
    defaults = {
      id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/made/providers/Microsoft.Insights/dataCollectionRules/made"
    }
  }
  mock_resource "azurerm_monitor_workspace" {
    defaults = {
      id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/made/providers/Microsoft.Monitor/accounts/made"
    }
  }
  mock_resource "azurerm_virtual_network" {
    defaults = {
      id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/made/providers/Microsoft.Network/virtualNetworks/made"
    }
  }
  mock_resource "azurerm_subnet" {
    defaults = {
      id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/made/providers/Microsoft.Network/virtualNetworks/made/subnets/made"
    }
  }
  mock_resource "azurerm_private_dns_zone" {
    defaults = {
      id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/made/providers/Microsoft.Network/privateDnsZones/made"
    }
  }
  mock_resource "azurerm_user_assigned_identity" {
    defaults = {
      id        = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/made/providers/Microsoft.ManagedIdentity/userAssignedIdentities/made"
      client_id = "00000000-0000-0000-0000-0000000000c1"
    }
  }
  mock_resource "azurerm_kubernetes_cluster" {
    defaults = {
      id              = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/made/providers/Microsoft.ContainerService/managedClusters/made"
      oidc_issuer_url = "https://issuer.example/made/"
    }
  }
}

variables {
  name              = "iris-ml"
  environment       = "dev"
  location          = "westeurope"
  address_space     = "10.20.0.0/16"
  administrators    = "00000000-0000-0000-0000-00000000000a"
  github_repository = "iris/iris-ml-api"
  alert_receivers   = { emails = ["ops@example.com"] }
  repository        = "https://git.example.com/iris/blob/main/"
  system_pool       = { vm_size = "Standard_D2as_v5", min = 1, max = 2 }
  user_pool         = { vm_size = "Standard_D2as_v5", min = 1, max = 3 }
}

run "its_outputs_are_what_kustomize_needs" {
  assert {
    condition     = output.azure_yaml["key-vault"] == "https://iris-ml-dev.vault.azure.net" && output.azure_yaml["tenant"] == "00000000-0000-0000-0000-000000000009" && length(output.azure_yaml) == 9
    error_message = "Tenant, vault and seven client ids."
  }
  assert {
    condition     = output.store == "azure://irisml"
    error_message = "The store is the first account."
  }
}

run "after_a_failover_the_store_is_the_second_account" {
  variables {
    store        = "secondary"
    location     = "northeurope"
    public_entry = true
  }
  assert {
    condition     = local.public_entry_id == null
    error_message = "The public address is the first region's."
  }
  assert {
    condition     = output.store == "azure://irismlsecond" && output.cluster.name == "iris-ml-dev-second"
    error_message = "The store is the second account, and the cluster stands beside the first."
  }
  assert {
    condition     = output.azure_yaml["key-vault"] == "https://iris-ml-dev-second.vault.azure.net" && endswith(local.ids.database, "/resourceGroups/iris-ml-shared-second/providers/Microsoft.DBforPostgreSQL/flexibleServers/iris-ml-mlflow-second")
    error_message = "Secrets and MLflow's database are those of the second region, too."
  }
}

run "there_are_two_stores" {
  command = plan
  variables {
    store = "third"
  }
  expect_failures = [var.store]
}

run "shared_is_no_environment" {
  command = plan
  variables {
    environment = "shared"
  }
  expect_failures = [var.environment]
}
