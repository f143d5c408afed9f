mock_provider "azurerm" {
  mock_resource "azurerm_log_analytics_workspace" {
    defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/iris-ml-dev/providers/Microsoft.OperationalInsights/workspaces/iris-ml-dev" }
  }
  mock_resource "azurerm_monitor_workspace" {
    defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/iris-ml-dev/providers/Microsoft.Monitor/accounts/iris-ml-dev" }
  }
  mock_resource "azurerm_monitor_data_collection_endpoint" {
    defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/iris-ml-dev/providers/Microsoft.Insights/dataCollectionEndpoints/iris-ml-dev-metrics" }
  }
  mock_resource "azurerm_monitor_data_collection_rule" {
    defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/iris-ml-dev/providers/Microsoft.Insights/dataCollectionRules/iris-ml-dev" }
  }
  mock_resource "azurerm_monitor_action_group" {
    defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/iris-ml-dev/providers/Microsoft.Insights/actionGroups/iris-ml-dev" }
  }
}

variables {
  name                = "iris-ml-dev"
  resource_group_name = "iris-ml-dev"
  location            = "westeurope"
  tags                = { system = "iris-ml" }
  cluster_id          = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/iris-ml-dev/providers/Microsoft.ContainerService/managedClusters/iris-ml-dev"
  repository          = "https://git.example.com/iris/blob/main/"
  alert_receivers     = { emails = ["ops@example.com", "night@example.com"], webhook = "https://pager.example.com/in?key=secret" }
}

run "each_group_of_prometheus_rules_is_one_of_azure" {
  assert {
    condition     = join(",", keys(azurerm_monitor_alert_prometheus_rule_group.this)) == "iris-cluster,iris-ledger,iris-objectives,iris-predictions,iris-readiness,iris-saturation"
    error_message = "Those of rules.yml and of cluster-rules.yml, by their names."
  }
  assert {
    condition = sum([for group in azurerm_monitor_alert_prometheus_rule_group.this : length(group.rule)]) == sum([
      for file in ["rules.yml", "cluster-rules.yml"] : length(flatten([
        for group in yamldecode(file("../../../observability/${file}")).groups : group.rules
      ]))
    ])
    error_message = "No rule is left out."
  }
  assert {
    condition     = alltrue([for group in azurerm_monitor_alert_prometheus_rule_group.this : group.rule_group_enabled && group.cluster_name == "iris-ml-dev" && group.interval == "PT1M" && group.scopes == tolist([azurerm_monitor_workspace.this.id])])
    error_message = "Each is on, and asks for this cluster's metrics every minute."
  }
}

run "an_alert_is_as_its_file_says" {
  assert {
    condition = alltrue([
      for rule in azurerm_monitor_alert_prometheus_rule_group.this["iris-cluster"].rule :
      rule.enabled && rule.for == "PT15M" && rule.severity == 3 && rule.annotations.runbook_url == "https://git.example.com/iris/blob/main/docs/runbook.md#iriscpuhigh"
      if rule.alert == "IrisCpuHigh"
    ])
    error_message = "15m is PT15M, a ticket is 3, and the link is one to click on."
  }
  assert {
    condition = alltrue([
      for rule in azurerm_monitor_alert_prometheus_rule_group.this["iris-objectives"].rule :
      rule.for == "PT2M" && rule.severity == 1 && rule.labels == tomap({ severity = "page" })
      if rule.alert == "IrisErrorsBurnFast"
    ])
    error_message = "A page is 1."
  }
  assert {
    condition = alltrue(flatten([
      for group in azurerm_monitor_alert_prometheus_rule_group.this : [
        for rule in group.rule : rule.action[0].action_group_id == azurerm_monitor_action_group.this.id && !strcontains(jsonencode(rule.annotations), "externalLabels")
        if rule.alert != null && rule.alert != ""
      ]
    ]))
    error_message = "Each alert reaches somebody, and no link is left unfinished."
  }
  assert {
    condition = alltrue(flatten([
      for group in azurerm_monitor_alert_prometheus_rule_group.this : [
        for rule in group.rule : rule.severity == null && length(rule.action) == 0 && rule.expression != ""
        if rule.record != null && rule.record != ""
      ]
    ]))
    error_message = "A recorded rule alerts nobody."
  }
}

run "logs_and_inventory_are_collected_of_iris_ml" {
  assert {
    condition     = jsondecode(azurerm_monitor_data_collection_rule.logs.data_sources[0].extension[0].extension_json).dataCollectionSettings == { interval = "1m", namespaceFilteringMode = "Include", namespaces = ["iris-ml"], enableContainerLogV2 = true }
    error_message = "In the tables that the queries ask."
  }
  assert {
    condition     = azurerm_monitor_data_collection_rule.metrics.destinations[0].monitor_account[0].monitor_account_id == azurerm_monitor_workspace.this.id && azurerm_monitor_data_collection_rule.logs.destinations[0].log_analytics[0].workspace_resource_id == azurerm_log_analytics_workspace.this.id
    error_message = "Each to its workspace."
  }
  assert {
    condition     = azurerm_monitor_data_collection_rule_association.logs.target_resource_id == var.cluster_id && azurerm_monitor_data_collection_rule_association.metrics.target_resource_id == var.cluster_id
    error_message = "A rule that no cluster is associated with collects nothing."
  }
}

run "alerts_on_logs_are_those_of_their_file" {
  assert {
    condition     = alltrue([for alert in yamldecode(file("../../queries/alerts.yml")) : azurerm_monitor_scheduled_query_rules_alert_v2.this[alert.alert].criteria[0].threshold == alert.above && azurerm_monitor_scheduled_query_rules_alert_v2.this[alert.alert].window_duration == alert.window])
    error_message = "The bounds are those that the runbook has."
  }
  assert {
    condition     = azurerm_monitor_scheduled_query_rules_alert_v2.this["IrisErrorsLogged"].action[0].custom_properties.runbook_url == "https://git.example.com/iris/blob/main/docs/runbook.md#iriserrorslogged"
    error_message = "Each has the link to its section."
  }
  assert {
    condition     = endswith(azurerm_monitor_scheduled_query_rules_alert_v2.this["IrisPodKeepsRestarting"].criteria[0].query, "\n| summarize Restarts = sum(Restarts) by Name")
    error_message = "The query, and what is made of it."
  }
}

run "the_workbook_has_every_query" {
  assert {
    condition = toset([
      for item in jsondecode(azurerm_application_insights_workbook.this.data_json).items : "${item.name}.kql" if item.type == 3
    ]) == fileset("../../queries", "*.kql")
    error_message = "What is put right is also there to be looked at."
  }
  assert {
    condition     = azurerm_application_insights_workbook.this.name == uuidv5("url", "iris-ml-dev/iris-ml-dev")
    error_message = "Its id is known without a cluster: the plan that makes a lost one again destroys nothing."
  }
}

run "whoever_is_to_be_told_is_told" {
  assert {
    condition     = length(azurerm_monitor_action_group.this.email_receiver) == 2 && length(azurerm_monitor_action_group.this.webhook_receiver) == 1
    error_message = "By mail, and by the hook."
  }
}

run "without_a_hook" {
  variables {
    alert_receivers = { emails = ["ops@example.com"] }
  }
  assert {
    condition     = length(azurerm_monitor_action_group.this.webhook_receiver) == 0
    error_message = "There is none."
  }
}

run "nobody_to_tell_is_refused" {
  command = plan
  variables {
    alert_receivers = { emails = [] }
  }
  expect_failures = [var.alert_receivers]
}

run "what_is_no_address_is_refused" {
  command = plan
  variables {
    alert_receivers = { emails = ["ops"] }
  }
  expect_failures = [var.alert_receivers]
}

run "a_hook_in_the_clear_is_refused" {
  command = plan
  variables {
    alert_receivers = { emails = ["ops@example.com"], webhook = "http://pager.example.com" }
  }
  expect_failures = [var.alert_receivers]
}

run "what_is_no_cluster_is_refused" {
  command = plan
  variables {
    cluster_id = "iris-ml-dev"
  }
  expect_failures = [var.cluster_id]
}

run "a_repository_without_its_slash_is_refused" {
  command = plan
  variables {
    repository = "https://git.example.com/iris/blob/main"
  }
  expect_failures = [var.repository]
}
