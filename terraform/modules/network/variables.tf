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
  description = "The network's addresses: a sixteenth for nodes, one for private endpoints. 192.168.0.0/16 and 172.31.0.0/16 are the cluster's own, of pods and Services."
  type        = string
  validation {
    condition     = can(regex("^(10\\.|172\\.(1[6-9]|2[0-9]|30)\\.)", var.address_space)) && can(cidrhost(var.address_space, 0)) && try(tonumber(split("/", var.address_space)[1]), 0) >= 16 && try(tonumber(split("/", var.address_space)[1]), 99) <= 22
    error_message = "address_space: expected one network between /16 and /22 of 10.0.0.0/8 or of 172.16 to 172.30, such as 10.20.0.0/16."
  }
}

variable "reached" {
  description = "The ids of the shared resources that are reached privately."
  type        = object({ storage = string, vault = string, registry = string, database = string })
}
