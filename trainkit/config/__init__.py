"""YAML text → Config: a strict reader with positions, overrides, the tree of settings, errors as file:line:column."""
