"""Scripts that run SDKs against a fake model and keep the spans that they emit."""
