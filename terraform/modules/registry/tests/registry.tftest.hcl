mock_provider "azurerm" {}

variables {
  name                = "irisml"
  resource_group_name = "iris-ml-shared"
  location            = "westeurope"
  tags                = { system = "iris-ml" }
}

run "nobody_signs_in_by_a_password" {
  command = plan
  assert {
    condition     = !azurerm_container_registry.this.admin_enabled && !azurerm_container_registry.this.anonymous_pull_enabled
    error_message = "Pulls and pushes are by identity."
  }
}

run "it_is_closed_by_default" {
  command = plan
  assert {
    condition     = !azurerm_container_registry.this.public_network_access_enabled && length(azurerm_container_registry.this.georeplications) == 0
    error_message = "Without ranges, private endpoints are the only way in; without a second region, there is one."
  }
}

run "a_range_opens_it_for_that_range_alone" {
  command = plan
  variables {
    allowed_ranges = ["198.51.100.0/24"]
  }
  assert {
    condition     = azurerm_container_registry.this.public_network_access_enabled && azurerm_container_registry.this.network_rule_set[0].default_action == "Deny" && [for rule in azurerm_container_registry.this.network_rule_set[0].ip_rule : rule.ip_range] == ["198.51.100.0/24"]
    error_message = "What is not listed stays out."
  }
}

run "the_second_region_has_the_images_too" {
  command = plan
  variables {
    secondary_location = "northeurope"
  }
  assert {
    condition     = azurerm_container_registry.this.georeplications[0].location == "northeurope"
    error_message = "Images are replicated into the second region."
  }
}

run "all_of_the_internet_is_refused" {
  command = plan
  variables {
    allowed_ranges = ["0.0.0.0/0"]
  }
  expect_failures = [var.allowed_ranges]
}

run "a_second_region_is_another_one" {
  command = plan
  variables {
    secondary_location = "westeurope"
  }
  expect_failures = [var.secondary_location]
}
