"""The command line: one file a verb, mounted by `vadsdk.cli.app`."""
