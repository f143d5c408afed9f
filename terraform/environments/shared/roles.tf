# Roles for where the built-in ones allow too much. Those for blobs may list a container, since Azure
# takes that for reading.
locals {
  blob = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
  aks  = "Microsoft.ContainerService/managedClusters"
  roles = {
    creator = {
      description      = "Reads blobs, and creates them; neither overwrites nor deletes."
      data_actions     = ["${local.blob}/read", "${local.blob}/add/action"]
      not_data_actions = []
    }
    replacer = {
      description      = "Reads blobs, and writes them, whether they are there or not."
      data_actions     = ["${local.blob}/read", "${local.blob}/write"]
      not_data_actions = []
    }
    recorder = {
      description      = "Lists, writes and deletes blobs; a condition of the assignment keeps it from reading."
      data_actions     = ["${local.blob}/read", "${local.blob}/write", "${local.blob}/delete"]
      not_data_actions = []
    }
    editor = {
      description      = "Reads, writes and deletes blobs, but not their container."
      data_actions     = ["${local.blob}/read", "${local.blob}/write", "${local.blob}/delete"]
      not_data_actions = []
    }
    # Azure's own RBAC Admin may do all in a namespace but write the namespace itself, which is among
    # our manifests.
    deployer = {
      description      = "All in a namespace, and to write that itself, but not to delete it."
      data_actions     = ["${local.aks}/*"]
      not_data_actions = ["${local.aks}/namespaces/delete", "${local.aks}/resourcequotas/delete", "${local.aks}/resourcequotas/write"]
    }
  }
}

resource "azurerm_role_definition" "this" {
  for_each = local.roles

  name        = module.region.roles[each.key]
  scope       = "/subscriptions/${var.subscription_id}"
  description = each.value.description
  permissions {
    data_actions     = each.value.data_actions
    not_data_actions = each.value.not_data_actions
  }
}

# People put the secrets' values there, which no state holds.
resource "azurerm_role_assignment" "secrets" {
  for_each = local.vaults

  principal_id         = var.administrators.object_id
  principal_type       = "Group"
  role_definition_name = "Key Vault Secrets Officer"
  scope                = module.vault[each.key].id
}
