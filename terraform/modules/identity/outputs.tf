output "accounts" {
  description = "The client id of each ServiceAccount's identity."
  value       = { for account in local.accounts : account => azurerm_user_assigned_identity.this[account].client_id }
}

output "deploy" {
  description = "The client id by which a deploy signs in: AZURE_CLIENT_ID of GitHub's environment."
  value       = azurerm_user_assigned_identity.this["deploy"].client_id
}
