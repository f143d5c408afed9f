locals {
  containers = toset(["models", "ledger", "mlflow", "records", "replay"])
}

resource "azurerm_storage_container" "this" {
  for_each = local.containers

  name                  = each.key
  storage_account_id    = azurerm_storage_account.this.id
  container_access_type = "private"

  lifecycle {
    prevent_destroy = true
  }
}

# Releases and ledger are written once. A role can say that a promoter only creates; that nobody
# else overwrites or deletes, whatever his role, is said here.
resource "azurerm_storage_container_immutability_policy" "this" {
  for_each = toset(["models", "ledger"])

  storage_container_resource_manager_id = azurerm_storage_container.this[each.key].id
  immutability_period_in_days           = var.retention_days
  locked                                = var.retention_locked

  lifecycle {
    prevent_destroy = true
  }
}
