# Logs and inventory. Both workspaces, and the endpoint by which metrics come in, are written to and
# read over Azure's own public names, and by identity alone: no key lets anybody in. (docs/azure.md)
resource "azurerm_log_analytics_workspace" "this" {
  name                = var.name
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags

  sku                            = "PerGB2018"
  retention_in_days              = 30
  local_authentication_enabled   = false
  internet_ingestion_access_type = "Enabled"
  internet_query_access_type     = "Enabled"
}

# Metrics.
resource "azurerm_monitor_workspace" "this" {
  name                = var.name
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags

  public_network_access_enabled = true
}
