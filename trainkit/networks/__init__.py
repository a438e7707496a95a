"""nn.Modules with flat arguments; they know nothing of config."""
