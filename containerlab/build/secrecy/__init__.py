"""Values that a build may use and nothing may keep."""
