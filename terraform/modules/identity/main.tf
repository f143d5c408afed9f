# An identity for each ServiceAccount of docs/kubernetes.md, and one for the deploys that GitHub runs.
locals {
  accounts = toset([
    "api-gateway", "exporter", "external-secrets", "inference-service", "mlflow", "promoter", "trainer",
  ])
  audience = ["api://AzureADTokenExchange"]
}

resource "azurerm_user_assigned_identity" "this" {
  for_each = setunion(local.accounts, ["deploy"])

  name                = "${var.name}-${each.key}"
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
}

resource "azurerm_federated_identity_credential" "account" {
  for_each = local.accounts

  name                      = "kubernetes"
  user_assigned_identity_id = azurerm_user_assigned_identity.this[each.key].id
  audience                  = local.audience
  issuer                    = var.oidc_issuer_url
  subject                   = "system:serviceaccount:iris-ml:${each.key}"
}

# A job of GitHub's signs in by what GitHub says of it: this repository, and the environment whose
# approval it has. There is no secret.
resource "azurerm_federated_identity_credential" "deploy" {
  name                      = "github"
  user_assigned_identity_id = azurerm_user_assigned_identity.this["deploy"].id
  audience                  = local.audience
  issuer                    = "https://token.actions.githubusercontent.com"
  subject                   = "repo:${var.github_repository}:environment:${var.environment}"
}
