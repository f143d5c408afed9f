output "registry" {
  description = "The host in front of the images' names: ACR_LOGIN_SERVER of the workflows."
  value       = module.registry.login_server
}

output "github_client_ids" {
  description = "AZURE_CLIENT_ID of GitHub's environments: push is that of registry, plan the repository's own."
  value       = { for job in keys(local.jobs) : job => azurerm_user_assigned_identity.job[job].client_id }
}

output "stores" {
  description = "The accounts: IRIS_STORE is azure:// and the first, or after a failover the second."
  value = {
    primary   = module.storage.name
    secondary = local.two_regions ? module.secondary_storage[0].name : null
  }
}

output "database_hosts" {
  description = "The host in the secret mlflow-database; in the second region after a failover."
  value = {
    primary   = module.database.host
    secondary = var.first_region_lost_at == null ? null : module.second_database[0].host
  }
}

output "vaults" {
  description = "Each environment's vault, in the second region with -second."
  value       = { for key, vault in module.vault : key => vault.uri }
}

output "entry" {
  description = "The public address that the gateway can be put behind, and its name."
  value       = { address = azurerm_public_ip.entry.ip_address, name = azurerm_public_ip.entry.fqdn }
}
