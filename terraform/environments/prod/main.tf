# A system node a zone; machines of ours for three to twelve pods a Deployment, a core each.
module "environment" {
  source             = "../../modules/environment"
  environment        = "prod"
  name               = var.name
  location           = var.location
  address_space      = var.address_space
  administrators     = var.administrators
  github_repository  = var.github_repository
  alert_receivers    = var.alert_receivers
  repository         = var.repository
  authorized_ranges  = var.authorized_ranges
  public_entry       = var.public_entry
  store              = var.store
  kubernetes_version = var.kubernetes_version
  zones              = var.zones
  system_pool        = { vm_size = "Standard_D2as_v5", min = 3, max = 5 }
  user_pool          = { vm_size = "Standard_D4as_v5", min = 3, max = 9 }
}
