# One environment: a network, a cluster in it, and identities that may use what `shared` keeps. Dev
# and prod are this, with other numbers, so that what is tried in dev is what prod gets.
module "region" {
  source      = "../region"
  name        = var.name
  environment = var.environment
  location    = var.location
  second      = var.store == "secondary"
}

locals {
  names  = module.region.names
  shared = module.region.shared

  # By name, since no environment reads the state of `shared`, nor has it one of its resources.
  groups = {
    for region, name in local.shared.resource_group :
    region => "/subscriptions/${data.azurerm_client_config.current.subscription_id}/resourceGroups/${name}"
  }
  ids = {
    storage  = "${local.groups[var.store]}/providers/Microsoft.Storage/storageAccounts/${local.shared.storage[var.store]}"
    registry = "${local.groups.primary}/providers/Microsoft.ContainerRegistry/registries/${local.shared.registry}"
    database = "${local.groups[var.store]}/providers/Microsoft.DBforPostgreSQL/flexibleServers/${local.shared.database[var.store]}"
    vault    = "${local.groups[var.store]}/providers/Microsoft.KeyVault/vaults/${local.names.vault}"
    entry    = "${local.groups.primary}/providers/Microsoft.Network/publicIPAddresses/${local.shared.entry}"
  }
}

locals {
  # The address is of the first region, whose loss must keep no cluster of the second from being made.
  public_entry_id = var.public_entry && var.store == "primary" ? local.ids.entry : null
}

data "azurerm_client_config" "current" {}

resource "azurerm_resource_group" "this" {
  name     = local.names.resource_group
  location = var.location
  tags     = module.region.tags
}

module "network" {
  source              = "../network"
  name                = local.names.prefix
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  tags                = module.region.tags
  address_space       = var.address_space
  reached             = local.ids
}

module "cluster" {
  source              = "../cluster"
  name                = local.names.prefix
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  tags                = module.region.tags
  subnet_id           = module.network.nodes_subnet_id
  registry_id         = local.ids.registry
  public_entry_id     = local.public_entry_id
  administrators      = var.administrators
  authorized_ranges   = var.authorized_ranges
  kubernetes_version  = var.kubernetes_version
  zones               = var.zones
  system_pool         = var.system_pool
  user_pool           = var.user_pool
  monitoring          = { log_analytics_workspace_id = module.monitoring.log_analytics_workspace_id }
}

module "monitoring" {
  source              = "../monitoring"
  name                = local.names.prefix
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  tags                = module.region.tags
  cluster_id          = module.cluster.id
  alert_receivers     = var.alert_receivers
  repository          = var.repository
}

module "identity" {
  source              = "../identity"
  name                = local.names.prefix
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  tags                = module.region.tags
  environment         = var.environment
  oidc_issuer_url     = module.cluster.oidc_issuer_url
  github_repository   = var.github_repository
  roles               = module.region.roles
  storage_account_id  = local.ids.storage
  vault_id            = local.ids.vault
  registry_id         = local.ids.registry
  cluster_id          = module.cluster.id
}
