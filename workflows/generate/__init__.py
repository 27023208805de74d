"""What is generated and committed: workflows, derived values, IAM policies, bucket lifecycles and dashboards."""
