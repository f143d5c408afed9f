mock_provider "azurerm" {
  mock_resource "azurerm_user_assigned_identity" {
    defaults = {
      id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/iris-ml-dev/providers/Microsoft.ManagedIdentity/userAssignedIdentities/iris-ml-dev-promoter"
    }
  }
}

variables {
  name                = "iris-ml-dev"
  resource_group_name = "iris-ml-dev"
  location            = "westeurope"
  tags                = { system = "iris-ml" }
  environment         = "dev"
  oidc_issuer_url     = "https://issuer.example/dev/"
  github_repository   = "iris/iris-ml-api"
  roles = {
    creator  = "iris-ml blob creator"
    replacer = "iris-ml blob replacer"
    recorder = "iris-ml blob recorder"
    editor   = "iris-ml blob editor"
    deployer = "iris-ml deployer"
  }
  storage_account_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/iris-ml-shared/providers/Microsoft.Storage/storageAccounts/irisml"
  vault_id           = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/iris-ml-shared/providers/Microsoft.KeyVault/vaults/iris-ml-dev"
  registry_id        = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/iris-ml-shared/providers/Microsoft.ContainerRegistry/registries/irisml"
  cluster_id         = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/iris-ml-dev/providers/Microsoft.ContainerService/managedClusters/iris-ml-dev"
}

run "each_service_account_is_one_identity" {
  assert {
    condition     = { for account, credential in azurerm_federated_identity_credential.account : account => credential.subject } == { for account in ["api-gateway", "exporter", "external-secrets", "inference-service", "mlflow", "promoter", "trainer"] : account => "system:serviceaccount:iris-ml:${account}" }
    error_message = "The ServiceAccounts of docs/kubernetes.md, in their namespace, and no others."
  }
  assert {
    condition     = alltrue([for credential in azurerm_federated_identity_credential.account : credential.issuer == var.oidc_issuer_url && credential.audience == tolist(["api://AzureADTokenExchange"])])
    error_message = "This cluster vouches for them, and no other."
  }
}

run "a_deploy_is_a_job_that_was_approved" {
  assert {
    condition     = azurerm_federated_identity_credential.deploy.subject == "repo:iris/iris-ml-api:environment:dev"
    error_message = "GitHub's environment is part of what it says of a job, and has the approval."
  }
}

run "a_right_is_the_identitys_that_its_name_says" {
  assert {
    condition     = alltrue([for key, right in merge(azurerm_role_assignment.blobs, azurerm_role_assignment.others) : right.principal_id == azurerm_user_assigned_identity.this[split(" ", key)[0]].principal_id])
    error_message = "The first word of a right's name is whose it is."
  }
}

run "a_promoter_neither_overwrites_nor_deletes_releases_and_ledger" {
  assert {
    condition = alltrue([
      for key, right in azurerm_role_assignment.blobs :
      contains(["iris-ml blob creator", "Storage Blob Data Reader"], right.role_definition_name)
      if endswith(right.scope, "/ledger") || endswith(right.scope, "/models")
    ])
    error_message = "Nobody has more than to read and to create there."
  }
}

run "nobody_has_a_right_on_the_whole_account" {
  assert {
    condition     = alltrue([for right in azurerm_role_assignment.blobs : startswith(right.scope, "${var.storage_account_id}/blobServices/default/containers/")])
    error_message = "Each right is on one container."
  }
}

run "an_environment_writes_its_own_ledger" {
  assert {
    condition     = strcontains(azurerm_role_assignment.blobs["promoter ledger create"].condition, "'dev/*'") && azurerm_role_assignment.blobs["promoter ledger create"].condition_version == "2.0"
    error_message = "The promoter of dev can't write prod's."
  }
}

run "a_repository_has_an_owner" {
  command = plan
  variables {
    github_repository = "https://github.com/iris/iris-ml-api"
  }
  expect_failures = [var.github_repository]
}
