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

variable "soft_delete_days" {
  description = "How long what was deleted can be had back."
  type        = number
  default     = 30
  validation {
    condition     = var.soft_delete_days >= 7 && var.soft_delete_days <= 365
    error_message = "soft_delete_days: expected 7 to 365."
  }
}

variable "retention_days" {
  description = "For how long nobody can overwrite or delete a release or a record of the ledger."
  type        = number
  default     = 365
  validation {
    condition     = var.retention_days >= 30 && var.retention_days <= 146000
    error_message = "retention_days: expected 30 to 146000; a ledger that can be rewritten after a few days proves little."
  }
}

variable "retention_locked" {
  description = "Whether retention can't be taken back by anyone; once true it stays true, and the account can't be deleted before all has aged."
  type        = bool
  default     = false
}

variable "replay_days" {
  description = "For how long what was served is kept."
  type        = number
  default     = 30
  validation {
    condition     = var.replay_days >= 1 && var.replay_days <= 365
    error_message = "replay_days: expected 1 to 365; what clients sent is not to be kept for ever."
  }
}
