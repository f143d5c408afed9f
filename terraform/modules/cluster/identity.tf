# The cluster's own two identities: that of its control plane, and that of its kubelets.
locals {
  private = length(var.authorized_ranges) == 0
  roles = merge(
    {
      "cluster nodes" = {
        who  = "cluster"
        role = "Network Contributor" # to join nodes and the internal load balancer
        on   = var.subnet_id
      }
      "cluster kubelet" = {
        who  = "cluster"
        role = "Managed Identity Operator" # to give it to the nodes
        on   = azurerm_user_assigned_identity.this["kubelet"].id
      }
      "kubelet registry" = {
        who  = "kubelet"
        role = "AcrPull"
        on   = var.registry_id
      }
    },
    var.public_entry_id == null ? {} : {
      "cluster entry" = {
        who  = "cluster"
        role = "Network Contributor" # to put the load balancer behind it
        on   = var.public_entry_id
      }
    },
  )
}

resource "azurerm_user_assigned_identity" "this" {
  for_each = toset(["cluster", "kubelet"])

  name                = "${var.name}-${each.key}"
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
}

# What they may in the cluster is the cluster's to say; this is what lets them ask for its address.
resource "azurerm_role_assignment" "administrators" {
  principal_id         = var.administrators
  principal_type       = "Group"
  role_definition_name = "Azure Kubernetes Service Cluster User Role"
  scope                = azurerm_kubernetes_cluster.this.id
}

resource "azurerm_role_assignment" "this" {
  for_each = local.roles

  principal_id         = azurerm_user_assigned_identity.this[each.value.who].principal_id
  principal_type       = "ServicePrincipal"
  role_definition_name = each.value.role
  scope                = each.value.on
}
