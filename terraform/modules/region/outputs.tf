output "names" {
  description = "What this environment's own resources are called."
  value = {
    prefix         = local.prefix
    resource_group = local.prefix
    vault          = local.prefix # one a region: a lost region's can't be written, nor be linked to
  }
}

output "shared" {
  description = "What the resources of `shared` are called, wherever they are asked for."
  value = {
    # What manages a group's resources is in the group's region, so each region has one.
    resource_group = {
      primary   = "${var.name}-shared"
      secondary = "${var.name}-shared-second"
    }
    registry = local.plain
    entry    = "${var.name}-entry"
    database = {
      primary   = "${var.name}-mlflow"
      secondary = "${var.name}-mlflow-second"
    }
    storage = {
      primary   = local.plain
      secondary = "${local.plain}second"
    }
  }
}

output "roles" {
  description = "What the custom roles are called; environments/shared/roles.tf says what each may."
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
