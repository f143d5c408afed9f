variables {
  name        = "iris-ml"
  environment = "prod"
  location    = "westeurope"
}

run "names_follow_from_name_and_environment" {
  assert {
    condition     = output.names.vault == "iris-ml-prod" && output.names.resource_group == "iris-ml-prod"
    error_message = "An environment's own is called after it."
  }
  assert {
    condition     = output.shared.storage.primary == "irisml" && output.shared.storage.secondary == "irismlsecond"
    error_message = "Storage accounts take letters and digits alone, and the second is another than the first."
  }
  assert {
    condition     = output.tags == { system = "iris-ml", environment = "prod", made-by = "terraform" }
    error_message = "Three tags say whose it is."
  }
}

run "in_the_second_region_all_is_beside_the_first" {
  variables {
    second = true
  }
  assert {
    condition     = output.names.prefix == "iris-ml-prod-second" && output.names.resource_group == "iris-ml-prod-second" && output.names.vault == "iris-ml-prod-second"
    error_message = "A failover needs nothing of the first region: neither gone, nor there."
  }
}

run "the_longest_name_fits" {
  variables {
    name   = "a2345678901b"
    second = true
  }
  assert {
    condition     = length(output.names.vault) <= 24 && length(output.shared.storage.secondary) <= 24
    error_message = "A vault and a storage account have at most 24 characters."
  }
}

run "a_name_is_refused_that_storage_would_refuse" {
  command = plan
  variables {
    name = "Iris_ML"
  }
  expect_failures = [var.name]
}

run "a_name_is_refused_that_is_too_long_for_a_vault" {
  command = plan
  variables {
    name = "iris-ml-is-long"
  }
  expect_failures = [var.name]
}

run "an_unknown_environment_is_refused" {
  command = plan
  variables {
    environment = "test"
  }
  expect_failures = [var.environment]
}

run "a_region_is_written_as_the_command_line_writes_it" {
  command = plan
  variables {
    location = "West Europe"
  }
  expect_failures = [var.location]
}
