"""Keys with which programs call deployments whose access is `keys`."""
