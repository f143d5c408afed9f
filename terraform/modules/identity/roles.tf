# Who may do what: the table of docs/azure.md, which a test compares with this. A role for blobs is
# given on one container; `paths` narrows it to names in there, for all that the role may but listing.
locals {
  containers = "${var.storage_account_id}/blobServices/default/containers"
  namespace  = "${var.cluster_id}/namespaces/iris-ml"
  ours       = "${var.environment}/*"

  blobs = {
    "api-gateway replay record"        = { role = var.roles.recorder, paths = [local.ours] }
    "deploy ledger read"               = { role = "Storage Blob Data Reader", paths = [] }
    "exporter ledger read"             = { role = "Storage Blob Data Reader", paths = [] }
    "inference-service models read"    = { role = "Storage Blob Data Reader", paths = [] }
    "inference-service records create" = { role = var.roles.creator, paths = ["served/*"] }
    "mlflow mlflow edit"               = { role = var.roles.editor, paths = [] }
    "promoter ledger create"           = { role = var.roles.creator, paths = [local.ours] }
    "promoter ledger read"             = { role = "Storage Blob Data Reader", paths = [] }
    "promoter models create"           = { role = var.roles.creator, paths = [] }
    "promoter records create"          = { role = var.roles.creator, paths = ["gates/*", "judged/*"] }
    "promoter records read"            = { role = "Storage Blob Data Reader", paths = [] }
    "promoter records replace"         = { role = var.roles.replacer, paths = ["lease/${var.environment}"] }
    "promoter replay read"             = { role = "Storage Blob Data Reader", paths = [] }
    "trainer records create"           = { role = var.roles.creator, paths = ["data/*"] }
  }
  others = {
    "deploy cluster"         = { role = "Azure Kubernetes Service Cluster User Role", on = var.cluster_id }
    "deploy namespace"       = { role = var.roles.deployer, on = local.namespace }
    "deploy registry"        = { role = "AcrPull", on = var.registry_id } # it checks the images' signatures
    "external-secrets vault" = { role = "Key Vault Secrets User", on = var.vault_id }
  }

  of_blob = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
  path_is = "@Resource[${local.of_blob}:path] StringLike"
  # What reads, creates, writes or deletes does so under one of the paths. To list is not to read.
  conditions = {
    for key, right in local.blobs : key => join(" AND ", concat(
      length(right.paths) == 0 ? [] : [join(" ", [
        "((!(ActionMatches{'${local.of_blob}/read'} AND NOT SubOperationMatches{'Blob.List'})",
        "AND !(ActionMatches{'${local.of_blob}/add/action'})",
        "AND !(ActionMatches{'${local.of_blob}/write'})",
        "AND !(ActionMatches{'${local.of_blob}/delete'}))",
        "OR (${join(" OR ", [for path in right.paths : "${local.path_is} '${path}'"])}))",
      ])],
      # The gateway finds the names of its old batches, to delete them, and reads none.
      right.role != var.roles.recorder ? [] : [
        "(!(ActionMatches{'${local.of_blob}/read'} AND NOT SubOperationMatches{'Blob.List'}))",
      ],
    ))
  }
}

resource "azurerm_role_assignment" "blobs" {
  for_each = local.blobs

  principal_id         = azurerm_user_assigned_identity.this[split(" ", each.key)[0]].principal_id
  principal_type       = "ServicePrincipal"
  role_definition_name = each.value.role
  scope                = "${local.containers}/${split(" ", each.key)[1]}"
  condition            = local.conditions[each.key] == "" ? null : local.conditions[each.key]
  condition_version    = local.conditions[each.key] == "" ? null : "2.0"
}

resource "azurerm_role_assignment" "others" {
  for_each = local.others

  principal_id         = azurerm_user_assigned_identity.this[split(" ", each.key)[0]].principal_id
  principal_type       = "ServicePrincipal"
  role_definition_name = each.value.role
  scope                = each.value.on
}
