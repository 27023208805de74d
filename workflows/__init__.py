"""Argo Workflows of the pipeline, authored with Hera. Run from the root: `python -m workflows.generate`."""
