# Names and tags, by one rule: whoever knows the name of the system and of the environment knows
# what everything is called, so no state has to read another's.
locals {
  own    = "${var.name}-${var.environment}"
  prefix = var.second ? "${local.own}-second" : local.own
  plain  = replace(var.name, "-", "") # storage accounts and registries take letters and digits alone
}
