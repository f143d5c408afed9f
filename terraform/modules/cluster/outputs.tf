output "id" {
  description = "The cluster's id."
  value       = azurerm_kubernetes_cluster.this.id
}

output "name" {
  description = "Its name: `az aks get-credentials --name`."
  value       = azurerm_kubernetes_cluster.this.name
}

output "oidc_issuer_url" {
  description = "Who vouches for the ServiceAccounts."
  value       = azurerm_kubernetes_cluster.this.oidc_issuer_url
}
