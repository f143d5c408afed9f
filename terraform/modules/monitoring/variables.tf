variable "name" {
  description = "What all of it is called: modules/region has the rule."
  type        = string
}

variable "resource_group_name" {
  description = "The resource group that it is in."
  type        = string
}

variable "location" {
  description = "The region that it is in."
  type        = string
}

variable "tags" {
  description = "Those of modules/region."
  type        = map(string)
}

variable "cluster_id" {
  description = "The cluster that is watched. It sends its logs to the workspace that this makes, so neither module may depend on the whole of the other."
  type        = string
  validation {
    condition     = can(regex("/providers/Microsoft.ContainerService/managedClusters/[^/]+$", var.cluster_id))
    error_message = "cluster_id: expected the id of an AKS cluster, /subscriptions/…/providers/Microsoft.ContainerService/managedClusters/NAME."
  }
}

variable "alert_receivers" {
  description = "Who is told of alerts: addresses, and a web hook with all that it needs to be let in, which makes it a secret."
  type        = object({ emails = list(string), webhook = optional(string) })
  sensitive   = true
  validation {
    condition     = length(var.alert_receivers.emails) > 0 || var.alert_receivers.webhook != null
    error_message = "alert_receivers: expected an address in emails or a webhook, so that an alert reaches somebody."
  }
  validation {
    condition     = alltrue([for email in var.alert_receivers.emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", email))])
    error_message = "alert_receivers: expected addresses such as ops@example.com in emails."
  }
  validation {
    condition     = var.alert_receivers.webhook == null || can(regex("^https://", var.alert_receivers.webhook))
    error_message = "alert_receivers: expected a webhook that begins with https://."
  }
}

variable "repository" {
  description = "Where the repository is read: what stands before docs/runbook.md in the links of alerts."
  type        = string
  validation {
    condition     = can(regex("^https://.+/$", var.repository))
    error_message = "repository: expected an address with a slash at its end, such as https://git.example.com/iris/blob/main/."
  }
}
