"""The detect-actions service; nothing is here yet."""
