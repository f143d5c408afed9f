output "id" {
  description = "The account's id, once its containers are there."
  value       = azurerm_storage_account.this.id
  depends_on  = [azurerm_storage_container.this, azurerm_storage_container_immutability_policy.this]
}

output "name" {
  description = "The account's name: IRIS_STORE is azure:// and this."
  value       = azurerm_storage_account.this.name
}
