"""What has to outlive the process: intent, events, tokens, secrets, bundles and metrics. The only user of peewee."""
