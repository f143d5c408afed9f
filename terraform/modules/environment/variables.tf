variable "environment" {
  description = "dev or prod: IRIS_ENV."
  type        = string
  validation {
    condition     = contains(["dev", "prod"], var.environment)
    error_message = "environment: expected dev or prod."
  }
}

variable "name" {
  description = "What the whole system is called, as in `shared`."
  type        = string
  default     = "iris-ml"
}

variable "location" {
  description = "The region that the cluster is in."
  type        = string
}

variable "address_space" {
  description = "The network's addresses; those of dev and prod are apart, so that they could be joined."
  type        = string
}

variable "administrators" {
  description = "The object id of the group whose members administer the cluster."
  type        = string
}

variable "github_repository" {
  description = "Whose workflows may deploy: OWNER/NAME."
  type        = string
}

variable "authorized_ranges" {
  description = "The public addresses that may ask the API server; none makes it private."
  type        = list(string)
  default     = []
}

variable "public_entry" {
  description = "Whether the gateway may be put behind the public address of `shared`: k8s/components/expose-public."
  type        = bool
  default     = false
}

variable "store" {
  description = "Which of the two accounts is the store: secondary after a failover."
  type        = string
  default     = "primary"
  validation {
    condition     = contains(["primary", "secondary"], var.store)
    error_message = "store: expected primary, or secondary after a failover (docs/azure.md)."
  }
}

variable "kubernetes_version" {
  description = "The minor version; Azure chooses its newest patch."
  type        = string
  default     = "1.34"
}

variable "zones" {
  description = "The zones over which the nodes are spread."
  type        = list(string)
  default     = ["1", "2", "3"]
}

variable "system_pool" {
  description = "The machines of the system's pods."
  type        = object({ vm_size = string, min = number, max = number })
}

variable "user_pool" {
  description = "The machines of our pods."
  type        = object({ vm_size = string, min = number, max = number })
}

variable "alert_receivers" {
  description = "Who is told of alerts: addresses, and a web hook, which is a secret."
  type        = object({ emails = list(string), webhook = optional(string) })
  sensitive   = true
}

variable "repository" {
  description = "Where the repository is read: what stands before docs/runbook.md in the links of alerts."
  type        = string
}
