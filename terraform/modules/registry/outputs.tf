output "id" {
  description = "The registry's id."
  value       = azurerm_container_registry.this.id
}

output "login_server" {
  description = "The host in front of the images' names."
  value       = azurerm_container_registry.this.login_server
}
