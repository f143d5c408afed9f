mock_provider "azurerm" {
  mock_resource "azurerm_user_assigned_identity" {
    defaults = {
      id           = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/iris-ml-dev/providers/Microsoft.ManagedIdentity/userAssignedIdentities/iris-ml-dev-kubelet"
      client_id    = "00000000-0000-0000-0000-0000000000c1"
      principal_id = "00000000-0000-0000-0000-0000000000d1"
    }
  }
  mock_resource "azurerm_kubernetes_cluster" {
    defaults = {
      id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/iris-ml-dev/providers/Microsoft.ContainerService/managedClusters/iris-ml-dev"
    }
  }
}

variables {
  name                = "iris-ml-dev"
  resource_group_name = "iris-ml-dev"
  location            = "westeurope"
  tags                = { system = "iris-ml" }
  subnet_id           = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/iris-ml-dev/providers/Microsoft.Network/virtualNetworks/iris-ml-dev/subnets/nodes"
  registry_id         = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/iris-ml-shared/providers/Microsoft.ContainerRegistry/registries/irisml"
  administrators      = "00000000-0000-0000-0000-00000000000a"
  authorized_ranges   = []
  system_pool         = { vm_size = "Standard_D2as_v5", min = 1, max = 2 }
  user_pool           = { vm_size = "Standard_D2as_v5", min = 1, max = 3 }
}

run "pods_sign_in_by_their_service_accounts" {
  assert {
    condition     = azurerm_kubernetes_cluster.this.workload_identity_enabled && azurerm_kubernetes_cluster.this.oidc_issuer_enabled
    error_message = "Workload identity needs both."
  }
}

run "people_sign_in_by_entra_alone" {
  assert {
    condition     = azurerm_kubernetes_cluster.this.local_account_disabled && azurerm_kubernetes_cluster.this.azure_active_directory_role_based_access_control[0].azure_rbac_enabled
    error_message = "There is no account that Entra does not know."
  }
}

run "network_policies_have_an_engine" {
  assert {
    condition     = azurerm_kubernetes_cluster.this.network_profile[0].network_plugin == "azure" && azurerm_kubernetes_cluster.this.network_profile[0].network_plugin_mode == "overlay" && azurerm_kubernetes_cluster.this.network_profile[0].network_policy == "cilium" && azurerm_kubernetes_cluster.this.network_profile[0].network_data_plane == "cilium"
    error_message = "Azure CNI in its overlay, with Cilium."
  }
}

run "patches_come_by_themselves" {
  assert {
    condition     = azurerm_kubernetes_cluster.this.automatic_upgrade_channel == "patch" && azurerm_kubernetes_cluster.this.node_os_upgrade_channel == "NodeImage" && azurerm_kubernetes_cluster.this.maintenance_window_auto_upgrade[0].day_of_week == "Sunday"
    error_message = "Patches of Kubernetes and of the nodes, on the day of maintenance."
  }
}

run "two_pools_over_three_zones" {
  assert {
    condition     = azurerm_kubernetes_cluster.this.default_node_pool[0].only_critical_addons_enabled && azurerm_kubernetes_cluster_node_pool.user.mode == "User"
    error_message = "The system's pods are apart from ours."
  }
  assert {
    condition     = azurerm_kubernetes_cluster.this.default_node_pool[0].zones == toset(["1", "2", "3"]) && azurerm_kubernetes_cluster_node_pool.user.zones == toset(["1", "2", "3"])
    error_message = "Both are spread over the zones."
  }
}

run "without_ranges_the_api_server_is_private" {
  assert {
    condition     = azurerm_kubernetes_cluster.this.private_cluster_enabled && length(azurerm_kubernetes_cluster.this.api_server_access_profile) == 0
    error_message = "It has no public address."
  }
}

run "with_ranges_it_answers_those" {
  variables {
    authorized_ranges = ["198.51.100.0/24"]
  }
  assert {
    condition     = !azurerm_kubernetes_cluster.this.private_cluster_enabled && azurerm_kubernetes_cluster.this.api_server_access_profile[0].authorized_ip_ranges == toset(["198.51.100.0/24"])
    error_message = "It is public, and answers the ranges alone."
  }
}

run "the_public_entry_is_asked_for" {
  assert {
    condition     = join(",", keys(azurerm_role_assignment.this)) == "cluster kubelet,cluster nodes,kubelet registry"
    error_message = "Without an entry the cluster has no right on any public address."
  }
}

run "administrators_can_ask_for_a_kubeconfig" {
  assert {
    condition     = azurerm_role_assignment.administrators.principal_id == var.administrators && azurerm_role_assignment.administrators.scope == azurerm_kubernetes_cluster.this.id
    error_message = "Whom the cluster takes for its administrators, Azure gives its address."
  }
}

run "images_are_pulled_by_the_kubelets" {
  assert {
    condition     = azurerm_role_assignment.this["kubelet registry"].role_definition_name == "AcrPull" && azurerm_role_assignment.this["kubelet registry"].scope == var.registry_id
    error_message = "The kubelets' identity pulls, and does no more."
  }
}

run "container_insights_writes_where_it_is_told" {
  variables {
    monitoring = { log_analytics_workspace_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/iris-ml-dev/providers/Microsoft.OperationalInsights/workspaces/iris-ml-dev" }
  }
  assert {
    condition     = azurerm_kubernetes_cluster.this.oms_agent[0].msi_auth_for_monitoring_enabled
    error_message = "It signs in by identity, as the data collection rules need."
  }
}

run "all_of_the_internet_is_refused" {
  command = plan
  variables {
    authorized_ranges = ["0.0.0.0/0"]
  }
  expect_failures = [var.authorized_ranges]
}

run "an_address_without_a_mask_is_refused" {
  command = plan
  variables {
    authorized_ranges = ["198.51.100.7"]
  }
  expect_failures = [var.authorized_ranges]
}

run "patches_are_not_pinned" {
  command = plan
  variables {
    kubernetes_version = "1.34.4"
  }
  expect_failures = [var.kubernetes_version]
}

run "a_zone_is_one_of_three" {
  command = plan
  variables {
    zones = ["1", "4"]
  }
  expect_failures = [var.zones]
}

run "a_pool_has_nodes" {
  command = plan
  variables {
    system_pool = { vm_size = "Standard_D2as_v5", min = 0, max = 2 }
    user_pool   = { vm_size = "Standard_D2as_v5", min = 3, max = 2 }
  }
  expect_failures = [var.system_pool, var.user_pool]
}

run "a_group_is_named_by_its_id" {
  command = plan
  variables {
    administrators = "administrators"
  }
  expect_failures = [var.administrators]
}

run "a_day_is_one_of_the_week" {
  command = plan
  variables {
    maintenance_day = "sunday"
  }
  expect_failures = [var.maintenance_day]
}
