"""Networks that turn clips into features; one file a family."""
