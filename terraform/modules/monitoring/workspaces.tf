# Logs and inventory. Both workspaces are written to and read over Azure's own public names, and by
# identity alone: no key lets anybody in.
resource "azurerm_log_analytics_workspace" "this" {
  name                = var.name
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags

  sku                          = "PerGB2018"
  retention_in_days            = 30
  local_authentication_enabled = false
}

# Metrics.
resource "azurerm_monitor_workspace" "this" {
  name                = var.name
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
}
