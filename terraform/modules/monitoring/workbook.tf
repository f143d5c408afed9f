locals {
  panels = {
    "recent-errors" = { title = "Recent errors", visualization = "table" }
    "latency"       = { title = "Latency, by five minutes", visualization = "linechart" }
    "restarts"      = { title = "Restarts, by pod and hour", visualization = "table" }
  }
}

# The queries for people, over a time that is chosen at its top.
resource "azurerm_application_insights_workbook" "this" {
  name                = uuidv5("url", "${var.resource_group_name}/${var.name}") # known without a cluster
  display_name        = var.name
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
  source_id           = lower(azurerm_log_analytics_workspace.this.id)

  data_json = jsonencode({
    version = "Notebook/1.0"
    items = concat(
      [{
        type = 9
        name = "time"
        content = {
          version = "KqlParameterItem/1.0"
          style   = "pills"
          parameters = [{
            id         = uuidv5("url", "${var.resource_group_name}/${var.name}/time")
            version    = "KqlParameterItem/1.0"
            name       = "Time"
            type       = 4
            isRequired = true
            value      = { durationMs = 3600000 }
            typeSettings = {
              selectableValues = [for hours in [1, 4, 24, 168] : { durationMs = hours * 3600000 }]
              allowCustom      = true
            }
          }]
        }
      }],
      [
        for query, panel in local.panels : {
          type = 3
          name = query
          content = {
            version                  = "KqlItem/1.0"
            title                    = panel.title
            query                    = file("${local.queries}/${query}.kql")
            queryType                = 0
            resourceType             = "microsoft.operationalinsights/workspaces"
            timeContextFromParameter = "Time"
            size                     = 0
            visualization            = panel.visualization
          }
        }
      ],
    )
    fallbackResourceIds = [azurerm_log_analytics_workspace.this.id]
  })
}
