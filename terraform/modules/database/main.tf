# MLflow's PostgreSQL: reached through each environment's private endpoint alone.
resource "azurerm_postgresql_flexible_server" "this" {
  name                = var.name
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags

  version           = "17"
  sku_name          = var.sku_name
  storage_mb        = var.storage_mb
  auto_grow_enabled = true

  create_mode                       = var.restored == null ? "Default" : "GeoRestore"
  source_server_id                  = try(var.restored.server_id, null)
  point_in_time_restore_time_in_utc = try(var.restored.at, null)

  public_network_access_enabled = false
  backup_retention_days         = var.backup_days
  geo_redundant_backup_enabled  = var.geo_redundant_backup

  dynamic "high_availability" {
    for_each = var.zone_redundant ? ["ZoneRedundant"] : []
    content {
      mode = high_availability.value
    }
  }

  # People sign in by Entra. MLflow's own role has a password, which the administrators give it, and
  # which is in the vault; the administrator's here is used by nobody.
  administrator_login    = var.restored == null ? "unused" : null # or that of the backup
  administrator_password = var.administrator_password
  authentication {
    active_directory_auth_enabled = true
    password_auth_enabled         = true
    tenant_id                     = var.tenant_id
  }

  lifecycle {
    prevent_destroy = true
    # A password that is set by hand after the first apply stays, and the one in the state is void.
    # Azure chooses the zones, a failover swaps them, and storage grows by itself.
    ignore_changes = [administrator_password, zone, high_availability[0].standby_availability_zone, storage_mb, storage_tier]
  }

  timeouts {
    create = "6h" # as long as a backup takes to come back
  }
}

resource "azurerm_postgresql_flexible_server_database" "mlflow" {
  count = var.restored == null ? 1 : 0 # a backup has it

  name      = "mlflow"
  server_id = azurerm_postgresql_flexible_server.this.id
  charset   = "UTF8"
  collation = "en_US.utf8"

  lifecycle {
    prevent_destroy = true
  }
}

resource "azurerm_postgresql_flexible_server_active_directory_administrator" "people" {
  server_name         = azurerm_postgresql_flexible_server.this.name
  resource_group_name = var.resource_group_name
  tenant_id           = var.tenant_id
  object_id           = var.administrators.object_id
  principal_name      = var.administrators.name
  principal_type      = "Group"
}
