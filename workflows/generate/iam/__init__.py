"""Who may touch what on AWS: IAM policies, trust and bucket policies, generated from an environment's values."""
