output "id" {
  description = "The server's id."
  value       = azurerm_postgresql_flexible_server.this.id
}

output "host" {
  description = "The server's name, which leads to the private endpoint in each environment's network."
  value       = azurerm_postgresql_flexible_server.this.fqdn
}
