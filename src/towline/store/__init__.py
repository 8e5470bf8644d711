"""Where state rests: databases, and the vault that seals secret values."""
