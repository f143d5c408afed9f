mock_provider "azurerm" {
  mock_resource "azurerm_postgresql_flexible_server" {
    defaults = {
      id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/iris-ml-shared/providers/Microsoft.DBforPostgreSQL/flexibleServers/iris-ml-mlflow"
    }
  }
}

variables {
  name                   = "iris-ml-mlflow"
  resource_group_name    = "iris-ml-shared"
  location               = "westeurope"
  tags                   = { system = "iris-ml" }
  tenant_id              = "00000000-0000-0000-0000-000000000009"
  administrators         = { object_id = "00000000-0000-0000-0000-00000000000a", name = "iris-ml administrators" }
  administrator_password = "a password of the tests, no secret"
}

run "it_has_no_public_address_and_comes_back" {
  command = plan
  assert {
    condition     = !azurerm_postgresql_flexible_server.this.public_network_access_enabled
    error_message = "Private endpoints are the only way in."
  }
  assert {
    condition     = azurerm_postgresql_flexible_server.this.backup_retention_days == 35 && azurerm_postgresql_flexible_server.this.geo_redundant_backup_enabled && azurerm_postgresql_flexible_server.this.high_availability[0].mode == "ZoneRedundant"
    error_message = "A zone, a mistake of five weeks ago, and a region can be lost."
  }
}

run "people_sign_in_by_entra" {
  command = plan
  assert {
    condition     = azurerm_postgresql_flexible_server.this.authentication[0].active_directory_auth_enabled && azurerm_postgresql_flexible_server_active_directory_administrator.people.principal_type == "Group"
    error_message = "The administrators are a group of Entra."
  }
}

run "a_lost_regions_database_comes_out_of_its_backup" {
  command = plan
  variables {
    administrator_password = null
    restored = {
      server_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/iris-ml-shared/providers/Microsoft.DBforPostgreSQL/flexibleServers/iris-ml-mlflow"
      at        = "2026-11-29T09:00:00Z"
    }
  }
  assert {
    condition     = azurerm_postgresql_flexible_server.this.create_mode == "GeoRestore" && azurerm_postgresql_flexible_server.this.administrator_login != "unused" && length(azurerm_postgresql_flexible_server_database.mlflow) == 0
    error_message = "Its administrator and its database are those of the backup."
  }
}

run "a_backup_is_of_a_time" {
  command = plan
  variables {
    restored = { server_id = "iris-ml-mlflow", at = "yesterday" }
  }
  expect_failures = [var.restored]
}

run "a_burstable_size_has_no_standby" {
  command = plan
  variables {
    sku_name = "B_Standard_B1ms"
  }
  expect_failures = [var.zone_redundant]
}

run "a_size_without_a_tier_is_refused" {
  command = plan
  variables {
    sku_name = "Standard_D2ds_v5"
  }
  expect_failures = [var.sku_name]
}

run "backups_have_bounds" {
  command = plan
  variables {
    backup_days = 3
  }
  expect_failures = [var.backup_days]
}

run "a_short_password_is_refused" {
  command = plan
  variables {
    administrator_password = "short"
  }
  expect_failures = [var.administrator_password]
}

run "a_group_is_named_by_its_id" {
  command = plan
  variables {
    administrators = { object_id = "administrators", name = "administrators" }
  }
  expect_failures = [var.administrators]
}
