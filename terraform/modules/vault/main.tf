# One environment's secrets. Terraform makes the place and none of its contents, so no secret is in
# a state: who may is in docs/azure.md, and the names are those of k8s/components/azure.
resource "azurerm_key_vault" "this" {
  name                = var.name
  resource_group_name = var.resource_group_name
  location            = var.location
  tenant_id           = var.tenant_id
  tags                = var.tags
  sku_name            = "standard"

  rbac_authorization_enabled = true
  purge_protection_enabled   = true
  soft_delete_retention_days = 90

  public_network_access_enabled = length(var.allowed_ranges) > 0
  network_acls {
    bypass         = "None"
    default_action = "Deny"
    ip_rules       = var.allowed_ranges
  }

  lifecycle {
    prevent_destroy = true
  }
}
