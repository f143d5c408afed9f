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

variable "allowed_ranges" {
  description = "Public addresses from which it is reached without a private endpoint, such as those of CI's runners; none closes it."
  type        = list(string)
  default     = []
  validation {
    condition     = alltrue([for range in var.allowed_ranges : can(cidrhost(range, 0)) && try(tonumber(split("/", range)[1]), 0) >= 16])
    error_message = "allowed_ranges: expected networks of IPv4 such as 198.51.100.0/24, none wider than /16, so that nothing is open to all."
  }
}

variable "tenant_id" {
  description = "The tenant whose identities may be let in."
  type        = string
}
