"""Docker's build checks: what should not be in a Dockerfile."""
