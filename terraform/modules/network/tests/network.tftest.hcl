mock_provider "azurerm" {
  mock_resource "azurerm_virtual_network" {
    defaults = {
      id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/iris-ml-dev/providers/Microsoft.Network/virtualNetworks/iris-ml-dev"
    }
  }
  mock_resource "azurerm_subnet" {
    defaults = {
      id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/iris-ml-dev/providers/Microsoft.Network/virtualNetworks/iris-ml-dev/subnets/nodes"
    }
  }
  mock_resource "azurerm_private_dns_zone" {
    defaults = {
      id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/iris-ml-dev/providers/Microsoft.Network/privateDnsZones/privatelink.blob.core.windows.net"
    }
  }
}

variables {
  name                = "iris-ml-dev"
  resource_group_name = "iris-ml-dev"
  location            = "westeurope"
  tags                = { system = "iris-ml" }
  address_space       = "10.20.0.0/16"
  reached = {
    storage  = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/iris-ml-shared/providers/Microsoft.Storage/storageAccounts/irisml"
    vault    = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/iris-ml-shared/providers/Microsoft.KeyVault/vaults/iris-ml-dev"
    registry = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/iris-ml-shared/providers/Microsoft.ContainerRegistry/registries/irisml"
    database = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/iris-ml-shared/providers/Microsoft.DBforPostgreSQL/flexibleServers/iris-ml-mlflow"
  }
}

run "each_shared_resource_has_an_address_in_the_network" {
  assert {
    condition     = join(",", keys(azurerm_private_endpoint.this)) == "database,registry,storage,vault"
    error_message = "Store, vault, registry and database are reached privately."
  }
  assert {
    condition     = alltrue([for kind, endpoint in azurerm_private_endpoint.this : endpoint.private_service_connection[0].private_connection_resource_id == var.reached[kind] && !endpoint.private_service_connection[0].is_manual_connection])
    error_message = "Each leads to its own resource, and waits for nobody."
  }
  assert {
    condition     = azurerm_private_endpoint.this["storage"].private_service_connection[0].subresource_names == tolist(["blob"])
    error_message = "Of storage it is the blobs."
  }
}

run "nodes_and_endpoints_are_apart" {
  assert {
    condition     = azurerm_subnet.nodes.address_prefixes == tolist(["10.20.0.0/20"]) && azurerm_subnet.endpoints.address_prefixes == tolist(["10.20.16.0/20"])
    error_message = "A sixteenth each."
  }
}

run "a_public_network_is_refused" {
  command = plan
  variables {
    address_space = "52.0.0.0/16"
  }
  expect_failures = [var.address_space]
}

run "a_network_too_small_is_refused" {
  command = plan
  variables {
    address_space = "10.20.0.0/24"
  }
  expect_failures = [var.address_space]
}
