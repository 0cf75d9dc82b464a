"""What the tests share: interpreters, builds, environments, runs and their comparison."""
