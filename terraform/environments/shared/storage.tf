module "storage" {
  source              = "../../modules/storage"
  name                = local.names.storage.primary
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  tags                = local.tags
  allowed_ranges      = var.allowed_ranges
  replay_days         = var.replay_days
  retention_days      = var.retention_days
  retention_locked    = var.retention_locked
}

module "secondary_storage" {
  source              = "../../modules/storage"
  count               = local.two_regions ? 1 : 0
  name                = local.names.storage.secondary
  resource_group_name = local.second_group
  location            = var.secondary_location
  tags                = local.tags
  allowed_ranges      = var.allowed_ranges
  replay_days         = var.replay_days
  retention_days      = var.retention_days
  retention_locked    = var.retention_locked
}

# Copies releases and ledger into the second region, in no promised order. To end it is the first
# step of a failover, so it has no prevent_destroy.
resource "azurerm_storage_object_replication" "this" {
  count = local.two_regions && var.first_region_lost_at == null ? 1 : 0

  source_storage_account_id      = module.storage.id
  destination_storage_account_id = module.secondary_storage[0].id
  metrics_enabled                = true # what is pending: docs/azure.md

  dynamic "rules" {
    for_each = toset(["models", "ledger"])
    content {
      source_container_name      = rules.value
      destination_container_name = rules.value
      copy_blobs_created_after   = "Everything"
    }
  }
}
