variable "name" {
  description = "Its name: modules/region has the rule."
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

variable "subnet_id" {
  description = "The nodes' subnet."
  type        = string
}

variable "registry_id" {
  description = "The registry that the kubelets pull from."
  type        = string
}

variable "public_entry_id" {
  description = "The public address that the gateway may be put behind; null for none."
  type        = string
  default     = null
}

variable "monitoring" {
  description = "Where Container Insights writes; null for nowhere."
  type        = object({ log_analytics_workspace_id = string })
  default     = null
}

variable "administrators" {
  description = "The object id of the group whose members administer the cluster."
  type        = string
  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.administrators))
    error_message = "administrators: expected the object id of a group of Entra, as `az ad group show --group NAME --query id` prints it."
  }
}

variable "authorized_ranges" {
  description = "The public addresses that may ask the API server; none makes it private, with no public address at all."
  type        = list(string)
  validation {
    condition     = alltrue([for range in var.authorized_ranges : can(cidrhost(range, 0)) && try(tonumber(split("/", range)[1]), 0) >= 16])
    error_message = "authorized_ranges: expected networks of IPv4 such as 198.51.100.0/24, none wider than /16, or [] for a private API server."
  }
}

variable "kubernetes_version" {
  description = "The minor version; Azure chooses its newest patch."
  type        = string
  default     = "1.34"
  validation {
    condition     = can(regex("^1\\.[0-9]{2}$", var.kubernetes_version))
    error_message = "kubernetes_version: expected a minor version alone, such as 1.34, since patches come by the upgrade channel."
  }
}

variable "maintenance_day" {
  description = "The day of the week on which patches come, from 02:00 to 06:00 UTC."
  type        = string
  default     = "Sunday"
  validation {
    condition     = contains(["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"], var.maintenance_day)
    error_message = "maintenance_day: expected a day of the week in English, such as Sunday."
  }
}

variable "zones" {
  description = "The zones over which both pools are spread."
  type        = list(string)
  default     = ["1", "2", "3"]
  validation {
    condition     = alltrue([for zone in var.zones : contains(["1", "2", "3"], zone)]) && length(distinct(var.zones)) == length(var.zones)
    error_message = "zones: expected some of \"1\", \"2\" and \"3\", each once, or [] in a region without zones."
  }
}

variable "system_pool" {
  description = "The machines of the system's pods."
  type        = object({ vm_size = string, min = number, max = number })
  validation {
    condition     = var.system_pool.min >= 1 && var.system_pool.min <= var.system_pool.max
    error_message = "system_pool: expected 1 <= min <= max."
  }
}

variable "user_pool" {
  description = "The machines of our pods."
  type        = object({ vm_size = string, min = number, max = number })
  validation {
    condition     = var.user_pool.min >= 1 && var.user_pool.min <= var.user_pool.max
    error_message = "user_pool: expected 1 <= min <= max."
  }
}
