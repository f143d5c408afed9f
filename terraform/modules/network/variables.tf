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

variable "address_space" {
  description = "The network's addresses: a sixteenth for nodes, one for private endpoints."
  type        = string
  validation {
    condition     = can(regex("^(10\\.|172\\.(1[6-9]|2[0-9]|3[01])\\.|192\\.168\\.)", var.address_space)) && can(cidrhost(var.address_space, 0)) && try(tonumber(split("/", var.address_space)[1]), 0) >= 16 && try(tonumber(split("/", var.address_space)[1]), 99) <= 22
    error_message = "address_space: expected one private network of IPv4 between /16 and /22, such as 10.20.0.0/16."
  }
}

variable "reached" {
  description = "The ids of the shared resources that are reached privately."
  type        = object({ storage = string, vault = string, registry = string, database = string })
}
