"""What Prometheus and Grafana are given: rules, and a dashboard."""
