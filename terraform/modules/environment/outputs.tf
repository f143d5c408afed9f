output "azure_yaml" {
  description = "The data of this environment's k8s/overlays/…/azure.yaml, which terraform/azure-yaml writes."
  value = merge(module.identity.accounts, {
    tenant    = data.azurerm_client_config.current.tenant_id
    key-vault = "https://${local.names.vault}.vault.azure.net"
  })
}

output "cluster" {
  description = "What `az aks get-credentials` asks for."
  value       = { name = module.cluster.name, resource_group = azurerm_resource_group.this.name }
}

output "deploy_client_id" {
  description = "AZURE_CLIENT_ID of GitHub's environment of this name."
  value       = module.identity.deploy
}

output "store" {
  description = "IRIS_STORE of this environment's environment.yaml."
  value       = "azure://${local.shared.storage[var.store]}"
}
