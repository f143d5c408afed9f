output "nodes_subnet_id" {
  description = "Where the nodes and the internal load balancer are."
  value       = azurerm_subnet.nodes.id
}
