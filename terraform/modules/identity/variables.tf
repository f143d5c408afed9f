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

variable "environment" {
  description = "IRIS_ENV: the part of ledger and replay that is this environment's."
  type        = string
}

variable "oidc_issuer_url" {
  description = "Who vouches for the cluster's ServiceAccounts."
  type        = string
}

variable "github_repository" {
  description = "Whose workflows may deploy."
  type        = string
  validation {
    condition     = can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "github_repository: expected OWNER/NAME, without the host."
  }
}

variable "roles" {
  description = "The custom roles' names: modules/region."
  type        = object({ creator = string, replacer = string, recorder = string, editor = string, deployer = string })
}

variable "storage_account_id" {
  description = "The account whose containers are the store."
  type        = string
}

variable "vault_id" {
  description = "This environment's vault."
  type        = string
}

variable "registry_id" {
  description = "The registry whose images are deployed."
  type        = string
}

variable "cluster_id" {
  description = "This environment's cluster."
  type        = string
}
