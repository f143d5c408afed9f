variable "subscription_id" {
  description = "Azure's subscription."
  type        = string
  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.subscription_id))
    error_message = "subscription_id: expected the id that `az account show --query id` prints."
  }
}

variable "name" {
  description = "What the whole system is called; part of names that are unique in all of Azure."
  type        = string
  default     = "iris-ml"
}

variable "location" {
  description = "The region."
  type        = string
}

variable "secondary_location" {
  description = "The second region, for copies of images, releases and ledger; the one that Azure pairs with the first, since the database's backups are there. null for none."
  type        = string
  default     = null
  validation {
    condition     = var.secondary_location == null || var.secondary_location != var.location
    error_message = "secondary_location: expected null, or another region than location."
  }
}

variable "first_region_lost_at" {
  description = "Since when the first region is gone (RFC 3339): ends the copying, and makes MLflow's database in the second region. It stays set when the first comes back; null until then."
  type        = string
  default     = null
  validation {
    condition     = var.first_region_lost_at == null || (can(timeadd(var.first_region_lost_at, "0s")) && var.secondary_location != null)
    error_message = "first_region_lost_at: expected a time such as 2026-11-29T09:00:00Z, and a secondary_location."
  }
}

variable "second_database_empty" {
  description = "Whether MLflow's database in the second region begins empty, for when no backup comes. Azure then asks for database_administrator_password."
  type        = bool
  default     = false
}

variable "zones" {
  description = "The zones of the public address."
  type        = list(string)
  default     = ["1", "2", "3"]
}

variable "administrators" {
  description = "The group of people who keep the secrets and administer the database, by its id and its name."
  type        = object({ object_id = string, name = string })
}

variable "database_administrator_password" {
  description = "Asked for by Azure when the server is made, and to be changed by hand then: docs/azure.md."
  type        = string
  sensitive   = true
  default     = null
}

variable "database_storage_mb" {
  description = "What MLflow's database begins with; a restored one with what the other has grown to."
  type        = number
  default     = 32768
}

variable "github_repository" {
  description = "Whose workflows may push images, plan and apply: OWNER/NAME."
  type        = string
  validation {
    condition     = can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "github_repository: expected OWNER/NAME, without the host."
  }
}

variable "allowed_ranges" {
  description = "Public addresses from which store, registry and vaults are reached without a private endpoint; none closes them."
  type        = list(string)
  default     = []
}

variable "replay_days" {
  description = "For how long what was served is kept."
  type        = number
  default     = 30
}

variable "retention_days" {
  description = "For how long nobody can overwrite or delete a release or a record of the ledger."
  type        = number
  default     = 365
}

variable "retention_locked" {
  description = "Whether that can't be taken back by anyone, ever."
  type        = bool
  default     = false
}
