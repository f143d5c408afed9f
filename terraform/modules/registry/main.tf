# Images. Nobody signs in by a password: there is no admin user, pulls are the kubelets' identities',
# pushes are CI's.
resource "azurerm_container_registry" "this" {
  name                = var.name
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags

  # Private endpoints, replicas and zones are Premium's.
  sku                     = "Premium"
  zone_redundancy_enabled = true

  admin_enabled                 = false
  anonymous_pull_enabled        = false
  public_network_access_enabled = length(var.allowed_ranges) > 0
  network_rule_set {
    default_action = "Deny"
    ip_rule = [for range in var.allowed_ranges : {
      action   = "Allow"
      ip_range = range
    }]
  }

  dynamic "georeplications" {
    for_each = var.secondary_location == null ? [] : [var.secondary_location]
    content {
      location                        = georeplications.value
      global_endpoint_routing_enabled = true
      zone_redundancy_enabled         = true
      tags                            = var.tags
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}
