locals {
  observability = "${path.module}/../../../observability"
  queries       = "${path.module}/../../queries"

  severities = { page = 1, ticket = 3 }

  # The very files that Prometheus loads elsewhere.
  groups = {
    for group in concat(
      yamldecode(file("${local.observability}/rules.yml")).groups,
      yamldecode(file("${local.observability}/cluster-rules.yml")).groups,
      ) : group.name => [
      for rule in group.rules : {
        record     = try(rule.record, null)
        alert      = try(rule.alert, null)
        expression = rule.expr
        for        = try("PT${upper(rule.for)}", null)
        labels     = try(rule.labels, null)
        severity   = try(local.severities[rule.labels.severity], null)
        # No external label says here where the repository is read.
        annotations = try({
          for name, text in rule.annotations :
          name => replace(text, "{{ $externalLabels.repository }}", var.repository)
        }, null)
      }
    ]
  }

  logs = {
    for alert in yamldecode(file("${local.queries}/alerts.yml")) : alert.alert => merge(alert, {
      kql     = "${file("${local.queries}/${alert.query}.kql")}| ${alert.then}"
      runbook = "${var.repository}docs/runbook.md#${lower(alert.alert)}"
    })
  }
}

resource "azurerm_monitor_action_group" "this" {
  name                = var.name
  resource_group_name = var.resource_group_name
  tags                = var.tags
  short_name          = "iris-ml"

  dynamic "email_receiver" {
    for_each = nonsensitive(var.alert_receivers.emails)
    content {
      name                    = email_receiver.value
      email_address           = email_receiver.value
      use_common_alert_schema = true
    }
  }
  dynamic "webhook_receiver" {
    for_each = nonsensitive(var.alert_receivers.webhook != null) ? ["webhook"] : []
    content {
      name                    = webhook_receiver.value
      service_uri             = var.alert_receivers.webhook
      use_common_alert_schema = true
    }
  }
}

resource "azurerm_monitor_alert_prometheus_rule_group" "this" {
  for_each = local.groups

  name                = "${var.name}-${each.key}"
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
  scopes              = [azurerm_monitor_workspace.this.id]
  cluster_name        = basename(var.cluster_id)
  interval            = "PT1M" # the least that there is
  rule_group_enabled  = true

  dynamic "rule" {
    for_each = each.value
    content {
      enabled     = true
      record      = rule.value.record
      alert       = rule.value.alert
      expression  = rule.value.expression
      for         = rule.value.for
      labels      = rule.value.labels
      severity    = rule.value.severity
      annotations = rule.value.annotations

      dynamic "action" {
        for_each = rule.value.alert == null ? [] : [azurerm_monitor_action_group.this.id]
        content {
          action_group_id = action.value
        }
      }
    }
  }
}

resource "azurerm_monitor_scheduled_query_rules_alert_v2" "this" {
  for_each = local.logs

  name                = "${var.name}-${each.key}"
  display_name        = each.key
  description         = "${each.value.summary}: ${each.value.runbook}"
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
  scopes              = [azurerm_log_analytics_workspace.this.id]
  severity            = local.severities[each.value.severity]

  evaluation_frequency    = each.value.every
  window_duration         = each.value.window
  auto_mitigation_enabled = true
  # The tables are there once the cluster has written to them. `make test-azure` has read the query.
  skip_query_validation = true

  criteria {
    query                   = each.value.kql
    time_aggregation_method = "Total"
    metric_measure_column   = each.value.measure
    operator                = "GreaterThan"
    threshold               = each.value.above
    dimension {
      name     = each.value.by
      operator = "Include"
      values   = ["*"]
    }
  }
  action {
    action_groups     = [azurerm_monitor_action_group.this.id]
    custom_properties = { runbook_url = each.value.runbook }
  }
}
