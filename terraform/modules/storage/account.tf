# One account of the store. The second region has one more, into which this one is copied.
resource "azurerm_storage_account" "this" {
  name                = var.name
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags

  account_tier             = "Standard"
  account_replication_type = "ZRS"

  # By identity alone: no keys, no signatures made with them, no anonymous reading.
  shared_access_key_enabled       = false
  default_to_oauth_authentication = true
  allow_nested_items_to_be_public = false
  local_user_enabled              = false
  min_tls_version                 = "TLS1_2"
  https_traffic_only_enabled      = true

  public_network_access_enabled = length(var.allowed_ranges) > 0
  network_rules {
    default_action = "Deny"
    bypass         = ["None"]
    # Storage takes a single address without its /32.
    ip_rules = [for range in var.allowed_ranges : trimsuffix(range, "/32")]
  }

  blob_properties {
    versioning_enabled  = true
    change_feed_enabled = true # replication reads it
    delete_retention_policy {
      days = var.soft_delete_days
    }
    container_delete_retention_policy {
      days = var.soft_delete_days
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}
