locals {
  # What each kind of resource is reached as, and the zone that leads its public name here.
  kinds = {
    storage  = { subresource = "blob", zone = "privatelink.blob.core.windows.net" }
    vault    = { subresource = "vault", zone = "privatelink.vaultcore.azure.net" }
    registry = { subresource = "registry", zone = "privatelink.azurecr.io" }
    database = { subresource = "postgresqlServer", zone = "privatelink.postgres.database.azure.com" }
  }
}

resource "azurerm_private_dns_zone" "this" {
  for_each = local.kinds

  name                = each.value.zone
  resource_group_name = var.resource_group_name
  tags                = var.tags
}

resource "azurerm_private_dns_zone_virtual_network_link" "this" {
  for_each = local.kinds

  name                = var.name
  private_dns_zone_id = azurerm_private_dns_zone.this[each.key].id
  virtual_network_id  = azurerm_virtual_network.this.id
  tags                = var.tags
}

resource "azurerm_private_endpoint" "this" {
  for_each = local.kinds

  name                = "${var.name}-${each.key}"
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
  subnet_id           = azurerm_subnet.endpoints.id

  private_service_connection {
    name                           = each.key
    private_connection_resource_id = var.reached[each.key]
    subresource_names              = [each.value.subresource]
    is_manual_connection           = false
  }

  private_dns_zone_group {
    name                 = each.key
    private_dns_zone_ids = [azurerm_private_dns_zone.this[each.key].id]
  }
}
