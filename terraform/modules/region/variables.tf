variable "name" {
  description = "What the whole system is called; part of names that are unique in all of Azure."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,10}[a-z0-9]$", var.name))
    error_message = "name: expected 3 to 12 of a-z, 0-9 and -, a letter first and no - last, such as iris-ml, since a vault's name has room for no more."
  }
}

variable "environment" {
  description = "Which state this is: shared, dev or prod."
  type        = string
  validation {
    condition     = contains(["shared", "dev", "prod"], var.environment)
    error_message = "environment: expected shared, dev or prod."
  }
}

variable "location" {
  description = "The region, as `az account list-locations --query '[].name'` writes it."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9]+$", var.location))
    error_message = "location: expected a region's short name, such as westeurope, not \"West Europe\"."
  }
}

variable "second" {
  description = "Whether this is the environment as a failover makes it, beside the first one."
  type        = bool
  default     = false
}
