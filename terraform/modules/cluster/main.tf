resource "azurerm_kubernetes_cluster" "this" {
  name                = var.name
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
  dns_prefix          = var.name
  sku_tier            = "Standard" # the API server with an agreed availability

  # Who people and pods are is Entra's to say: no local accounts, no certificates to leak.
  local_account_disabled            = true
  role_based_access_control_enabled = true
  oidc_issuer_enabled               = true
  workload_identity_enabled         = true
  azure_active_directory_role_based_access_control {
    azure_rbac_enabled     = true
    admin_group_object_ids = [var.administrators]
  }

  private_cluster_enabled = local.private
  dynamic "api_server_access_profile" {
    for_each = local.private ? [] : [var.authorized_ranges]
    content {
      authorized_ip_ranges = api_server_access_profile.value
    }
  }

  # Patches of Kubernetes and of the nodes' system come by themselves, in the window below; a new
  # minor version is a change of kubernetes_version.
  kubernetes_version        = var.kubernetes_version
  automatic_upgrade_channel = "patch"
  node_os_upgrade_channel   = "NodeImage"
  maintenance_window_auto_upgrade {
    frequency   = "Weekly"
    interval    = 1
    day_of_week = var.maintenance_day
    start_time  = "02:00"
    utc_offset  = "+00:00"
    duration    = 4
  }
  maintenance_window_node_os {
    frequency   = "Weekly"
    interval    = 1
    day_of_week = var.maintenance_day
    start_time  = "02:00"
    utc_offset  = "+00:00"
    duration    = 4
  }

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.this["cluster"].id]
  }
  kubelet_identity {
    client_id                 = azurerm_user_assigned_identity.this["kubelet"].client_id
    object_id                 = azurerm_user_assigned_identity.this["kubelet"].principal_id
    user_assigned_identity_id = azurerm_user_assigned_identity.this["kubelet"].id
  }

  # Azure CNI, its overlay, and Cilium: of AKS's engines for network policies the one with a future
  # on Linux (Azure's own ends in 2028), and the one that needs no second agent beside the data plane.
  # A block of addresses (ipBlock) is for it what lies outside of the cluster, and neither pods nor
  # nodes: that is what docs/kubernetes.md means by it for the store, the database and the API server,
  # which is why no policy there lets in or out pods or nodes by address.
  network_profile {
    network_plugin      = "azure"
    network_plugin_mode = "overlay"
    network_data_plane  = "cilium"
    network_policy      = "cilium"
    outbound_type       = "loadBalancer"
    load_balancer_sku   = "standard"
    pod_cidr            = "192.168.0.0/16"
    service_cidr        = "172.31.0.0/16"
    dns_service_ip      = "172.31.0.10"
  }

  # What the system itself needs; ours runs in the pool beside it.
  default_node_pool {
    name                         = "system"
    vm_size                      = var.system_pool.vm_size
    vnet_subnet_id               = var.subnet_id
    zones                        = var.zones
    auto_scaling_enabled         = true
    min_count                    = var.system_pool.min
    max_count                    = var.system_pool.max
    only_critical_addons_enabled = true
    os_sku                       = "AzureLinux"
    temporary_name_for_rotation  = "systemnew"
    tags                         = var.tags
    upgrade_settings {
      max_surge = "1"
    }
  }
  node_provisioning_profile {
    mode = "Manual" # the pools are here
  }

  monitor_metrics {}
  dynamic "oms_agent" {
    for_each = var.monitoring == null ? [] : [var.monitoring]
    content {
      log_analytics_workspace_id      = oms_agent.value.log_analytics_workspace_id
      msi_auth_for_monitoring_enabled = true
    }
  }

  lifecycle {
    ignore_changes = [default_node_pool[0].node_count] # autoscaling's
  }

  # Without these rights Azure refuses the identities that the cluster names.
  depends_on = [azurerm_role_assignment.this]
}

resource "azurerm_kubernetes_cluster_node_pool" "user" {
  name                        = "user"
  kubernetes_cluster_id       = azurerm_kubernetes_cluster.this.id
  mode                        = "User"
  vm_size                     = var.user_pool.vm_size
  vnet_subnet_id              = var.subnet_id
  zones                       = var.zones
  auto_scaling_enabled        = true
  min_count                   = var.user_pool.min
  max_count                   = var.user_pool.max
  os_sku                      = "AzureLinux"
  temporary_name_for_rotation = "usernew"
  tags                        = var.tags
  upgrade_settings {
    max_surge = "1"
  }

  lifecycle {
    ignore_changes = [node_count] # autoscaling's
  }
}
