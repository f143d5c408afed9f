# What the cluster's agents collect, and where they bring it. What is not asked for is not paid for.
locals {
  streams = ["Microsoft-ContainerLogV2", "Microsoft-KubePodInventory"]
}

resource "azurerm_monitor_data_collection_rule" "logs" {
  name                = "${var.name}-logs"
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
  kind                = "Linux"

  data_sources {
    extension {
      name           = "ContainerInsightsExtension"
      extension_name = "ContainerInsights"
      streams        = local.streams
      extension_json = jsonencode({
        dataCollectionSettings = {
          interval               = "1m" # restarts are counted from one to the next
          namespaceFilteringMode = "Include"
          namespaces             = ["iris-ml"]
          enableContainerLogV2   = true
        }
      })
    }
  }
  destinations {
    log_analytics {
      name                  = "logs"
      workspace_resource_id = azurerm_log_analytics_workspace.this.id
    }
  }
  data_flow {
    streams      = local.streams
    destinations = ["logs"]
  }
}

resource "azurerm_monitor_data_collection_rule_association" "logs" {
  name                    = "${var.name}-logs"
  target_resource_id      = var.cluster_id
  data_collection_rule_id = azurerm_monitor_data_collection_rule.logs.id
}

resource "azurerm_monitor_data_collection_endpoint" "metrics" {
  name                = "${var.name}-metrics"
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
  kind                = "Linux"

  public_network_access_enabled = true
}

# Which metrics is decided in the cluster: those of PodMonitors, and of the default targets.
resource "azurerm_monitor_data_collection_rule" "metrics" {
  name                        = "${var.name}-metrics"
  resource_group_name         = var.resource_group_name
  location                    = var.location
  tags                        = var.tags
  kind                        = "Linux"
  data_collection_endpoint_id = azurerm_monitor_data_collection_endpoint.metrics.id

  data_sources {
    prometheus_forwarder {
      name    = "PrometheusDataSource"
      streams = ["Microsoft-PrometheusMetrics"]
    }
  }
  destinations {
    monitor_account {
      name               = "metrics"
      monitor_account_id = azurerm_monitor_workspace.this.id
    }
  }
  data_flow {
    streams      = ["Microsoft-PrometheusMetrics"]
    destinations = ["metrics"]
  }
}

resource "azurerm_monitor_data_collection_rule_association" "metrics" {
  name                    = "${var.name}-metrics"
  target_resource_id      = var.cluster_id
  data_collection_rule_id = azurerm_monitor_data_collection_rule.metrics.id
}
