# What outlives every cluster: the store, secrets, MLflow's database, images, the public address.
module "region" {
  source      = "../../modules/region"
  name        = var.name
  environment = "shared"
  location    = var.location
}

locals {
  environments = toset(["dev", "prod"])
  names        = module.region.shared
  tags         = module.region.tags
  two_regions  = var.secondary_location != null
  second_group = one(azurerm_resource_group.second[*].name)

  # A vault is one environment's in one region, and named as that is there.
  vaults = merge([for environment in local.environments : merge(
    { (environment) = { environment = environment, second = false } },
    local.two_regions ? { "${environment}-second" = { environment = environment, second = true } } : {},
  )]...)
}

module "of" {
  source      = "../../modules/region"
  for_each    = local.vaults
  name        = var.name
  environment = each.value.environment
  location    = each.value.second ? var.secondary_location : var.location
  second      = each.value.second
}

data "azurerm_client_config" "current" {}

resource "azurerm_resource_group" "this" {
  name     = local.names.resource_group.primary
  location = var.location
  tags     = local.tags

  lifecycle {
    prevent_destroy = true
  }
}

# What a failover takes over is managed from where it is, not from the region that was lost.
resource "azurerm_resource_group" "second" {
  count    = local.two_regions ? 1 : 0
  name     = local.names.resource_group.secondary
  location = var.secondary_location
  tags     = local.tags

  lifecycle {
    prevent_destroy = true
  }
}

module "registry" {
  source              = "../../modules/registry"
  name                = local.names.registry
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  secondary_location  = var.secondary_location
  tags                = local.tags
  allowed_ranges      = var.allowed_ranges
}

module "vault" {
  source              = "../../modules/vault"
  for_each            = local.vaults
  name                = module.of[each.key].names.vault
  resource_group_name = each.value.second ? local.second_group : azurerm_resource_group.this.name
  location            = each.value.second ? var.secondary_location : var.location
  tags                = module.of[each.key].tags
  tenant_id           = data.azurerm_client_config.current.tenant_id
  allowed_ranges      = var.allowed_ranges
}

module "database" {
  source                 = "../../modules/database"
  name                   = local.names.database.primary
  resource_group_name    = azurerm_resource_group.this.name
  location               = var.location
  tags                   = local.tags
  tenant_id              = data.azurerm_client_config.current.tenant_id
  administrators         = var.administrators
  administrator_password = var.database_administrator_password
  storage_mb             = var.database_storage_mb
}

# A failover's, of the backup that Azure keeps in the paired region, or empty where none comes.
locals {
  backup = var.second_database_empty ? null : { server_id = module.database.id, at = var.first_region_lost_at }
}

module "second_database" {
  source                 = "../../modules/database"
  count                  = var.first_region_lost_at == null ? 0 : 1
  name                   = local.names.database.secondary
  resource_group_name    = local.second_group
  location               = var.secondary_location
  tags                   = local.tags
  tenant_id              = data.azurerm_client_config.current.tenant_id
  administrators         = var.administrators
  administrator_password = local.backup == null ? var.database_administrator_password : null
  restored               = local.backup
  storage_mb             = var.database_storage_mb
  zone_redundant         = false # Azure restores none
}

# For the gateway where an environment asks for it: the only public address that anything listens on.
resource "azurerm_public_ip" "entry" {
  name                = local.names.entry
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  tags                = local.tags
  allocation_method   = "Static"
  sku                 = "Standard"
  zones               = var.zones
  domain_name_label   = local.names.entry

  lifecycle {
    prevent_destroy = true
  }
}
