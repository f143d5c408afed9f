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

variable "tenant_id" {
  description = "The tenant whose identities may sign in."
  type        = string
}

variable "administrators" {
  description = "The group of people who may sign in as administrators, by its id and its name."
  type        = object({ object_id = string, name = string })
  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.administrators.object_id))
    error_message = "administrators: expected the object id of a group of Entra, as `az ad group show --group NAME --query id` prints it."
  }
}

variable "administrator_password" {
  description = "Asked for by Azure when the server is made, and to be changed by hand then: docs/azure.md. Later null, as for a restored one."
  type        = string
  sensitive   = true
  validation {
    condition     = try(length(var.administrator_password) >= 24, true) # null has no length
    error_message = "administrator_password: expected 24 characters or more, such as `openssl rand -base64 33` prints."
  }
}

variable "restored" {
  description = "Of which server's backup in this region it is made, and as that was when (RFC 3339); null for an empty one."
  type        = object({ server_id = string, at = string })
  default     = null
  validation {
    condition     = var.restored == null || can(timeadd(var.restored.at, "0s"))
    error_message = "restored: expected a time such as 2026-11-29T09:00:00Z, and the server's id."
  }
}

variable "sku_name" {
  description = "The machine's size, with its tier in front."
  type        = string
  default     = "GP_Standard_D2ds_v5"
  validation {
    condition     = can(regex("^(B|GP|MO)_Standard_[A-Za-z0-9_]+$", var.sku_name))
    error_message = "sku_name: expected a tier (B, GP or MO) and a size, such as GP_Standard_D2ds_v5."
  }
}

variable "storage_mb" {
  description = "What it begins with; it grows by itself. A restored one begins with what the other has grown to."
  type        = number
  default     = 32768
}

variable "zone_redundant" {
  description = "Whether a standby runs in another zone; Burstable sizes have none."
  type        = bool
  default     = true
  validation {
    condition     = !var.zone_redundant || !startswith(var.sku_name, "B_")
    error_message = "zone_redundant: expected false with the Burstable size that sku_name asks for; Azure gives it no standby."
  }
}

variable "backup_days" {
  description = "How far back the database can be restored."
  type        = number
  default     = 35
  validation {
    condition     = var.backup_days >= 7 && var.backup_days <= 35
    error_message = "backup_days: expected 7 to 35."
  }
}

variable "geo_redundant_backup" {
  description = "Whether backups are kept in the paired region, too; it can't be changed later."
  type        = bool
  default     = true
}
