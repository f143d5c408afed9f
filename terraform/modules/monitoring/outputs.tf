output "log_analytics_workspace_id" {
  description = "Where the cluster's Container Insights brings logs and inventory."
  value       = azurerm_log_analytics_workspace.this.id
}

output "monitor_workspace_id" {
  description = "Where managed Prometheus brings metrics."
  value       = azurerm_monitor_workspace.this.id
}
