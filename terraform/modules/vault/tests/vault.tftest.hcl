mock_provider "azurerm" {}

variables {
  name                = "iris-ml-dev"
  resource_group_name = "iris-ml-shared"
  location            = "westeurope"
  tags                = { system = "iris-ml" }
  tenant_id           = "00000000-0000-0000-0000-000000000009"
}

run "rights_are_roles_and_nothing_can_be_purged" {
  command = plan
  assert {
    condition     = azurerm_key_vault.this.rbac_authorization_enabled && azurerm_key_vault.this.purge_protection_enabled && azurerm_key_vault.this.soft_delete_retention_days == 90
    error_message = "A deleted vault or secret can be had back for 90 days, by anyone's hand."
  }
}

run "it_is_closed_by_default" {
  command = plan
  assert {
    condition     = !azurerm_key_vault.this.public_network_access_enabled && azurerm_key_vault.this.network_acls[0].default_action == "Deny"
    error_message = "Without ranges, the private endpoint is the only way in."
  }
}

run "all_of_the_internet_is_refused" {
  command = plan
  variables {
    allowed_ranges = ["0.0.0.0/0"]
  }
  expect_failures = [var.allowed_ranges]
}
