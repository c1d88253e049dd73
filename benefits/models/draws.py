"""Tables of draws and their prizes."""
