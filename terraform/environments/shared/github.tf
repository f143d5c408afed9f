# The identities of GitHub's jobs that are no environment's: docs/delivery.md says which job has which.
# A job signs in by what GitHub says of it, so there is no secret to keep.
locals {
  subscription = "/subscriptions/${var.subscription_id}"
  jobs = merge(
    {
      push = {
        subjects = ["environment:registry"]
        rights   = { AcrPush = module.registry.id }
      }
      plan = {
        subjects = ["pull_request", "ref:refs/heads/main"]
        rights = {
          Reader = local.subscription
          # To read a cluster's state, the provider asks for its kubeconfig.
          "Azure Kubernetes Service Cluster User Role" = local.subscription
        }
      }
      # Also makes the roles that it gives.
      terraform-shared = {
        subjects = ["environment:terraform-shared"]
        rights = {
          Contributor                 = local.subscription
          "User Access Administrator" = local.subscription
        }
      }
    },
    {
      for environment in local.environments : "terraform-${environment}" => {
        subjects = ["environment:terraform-${environment}"]
        rights = {
          Contributor                               = local.subscription
          "Role Based Access Control Administrator" = local.subscription
        }
      }
    },
  )
  subjects = merge([
    for job, of in local.jobs : { for subject in of.subjects : "${job} ${subject}" => { job = job, subject = subject } }
  ]...)
  rights = merge([
    for job, of in local.jobs : { for role, on in of.rights : "${job} ${role}" => { job = job, role = role, on = on } }
  ]...)
}

resource "azurerm_user_assigned_identity" "job" {
  for_each = local.jobs

  name                = "${local.names.resource_group.primary}-${each.key}"
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  tags                = local.tags
}

resource "azurerm_federated_identity_credential" "job" {
  for_each = local.subjects

  name                      = replace(each.value.subject, "/[^a-z_-]/", "-")
  user_assigned_identity_id = azurerm_user_assigned_identity.job[each.value.job].id
  audience                  = ["api://AzureADTokenExchange"]
  issuer                    = "https://token.actions.githubusercontent.com"
  subject                   = "repo:${var.github_repository}:${each.value.subject}"
}

resource "azurerm_role_assignment" "job" {
  for_each = local.rights

  principal_id         = azurerm_user_assigned_identity.job[each.value.job].principal_id
  principal_type       = "ServicePrincipal"
  role_definition_name = each.value.role
  scope                = each.value.on
}
