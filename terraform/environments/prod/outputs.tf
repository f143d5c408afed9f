output "azure_yaml" {
  description = "The data of k8s/overlays/…/azure.yaml, which terraform/azure-yaml writes."
  value       = module.environment.azure_yaml
}

output "cluster" {
  description = "What `az aks get-credentials` asks for."
  value       = module.environment.cluster
}

output "deploy_client_id" {
  description = "AZURE_CLIENT_ID of GitHub's environment of this name."
  value       = module.environment.deploy_client_id
}

output "store" {
  description = "IRIS_STORE of environment.yaml."
  value       = module.environment.store
}
