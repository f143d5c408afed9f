output "names" {
  description = "What this environment's own resources are called."
  value = {
    prefix         = local.prefix
    resource_group = local.prefix
    vault          = local.own # one for both regions: Azure itself keeps a copy in the paired one
  }
}

output "shared" {
  description = "What the resources of `shared` are called, wherever they are asked for."
  value = {
    resource_group = "${var.name}-shared"
    registry       = local.plain
    database       = "${var.name}-mlflow"
    entry          = "${var.name}-entry"
    storage = {
      primary   = local.plain
      secondary = "${local.plain}second"
    }
  }
}

output "roles" {
  description = "What the custom roles are called; modules/storage and modules/cluster say what each may."
  value = {
    creator  = "${var.name} blob creator"
    replacer = "${var.name} blob replacer"
    recorder = "${var.name} blob recorder"
    editor   = "${var.name} blob editor"
    deployer = "${var.name} deployer"
  }
}

output "tags" {
  description = "On everything that takes tags."
  value = {
    system      = var.name
    environment = var.environment
    made-by     = "terraform"
  }
}
